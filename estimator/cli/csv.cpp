// Flattens a JSON document into CSV tables.
#include "estimator/cli/csv.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

struct Field {
  std::string key;
  std::string text;
};

struct Table {
  std::string key;
  const Json* rows;
};

/// The fields of one value, and the arrays of objects that were met on the way.
struct Flat {
  std::vector<Field> fields;
  std::vector<Table> tables;
};

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    return std::string(text);
  }
  std::string field = "\"";
  for (const char c : text) {
    field += c;
    if (c == '"') {
      field += c;
    }
  }
  return field + '"';
}

std::string text_of(const Json& scalar) {
  if (scalar.is_null() || scalar.is_structured()) {
    return {};
  }
  return scalar.is_string() ? scalar.get<std::string>() : scalar.dump();
}

std::string joined(const std::string& prefix, const std::string& key) {
  return prefix.empty() ? key : prefix + "." + key;
}

bool is_table(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::ranges::all_of(value, [](const Json& row) { return row.is_object(); });
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the document
void flatten(const Json& value, const std::string& key, Flat& flat) {
  if (is_table(value)) {
    flat.tables.push_back({key, &value});
  } else if (value.is_object() && !value.empty()) {
    for (const auto& item : value.items()) {
      flatten(item.value(), joined(key, item.key()), flat);
    }
  } else if (value.is_array() && !value.empty()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      flatten(value[i], joined(key, std::to_string(i)), flat);
    }
  } else {
    flat.fields.push_back({key, text_of(value)});
  }
}

std::string line_of(const std::vector<std::string>& cells) {
  std::string line;
  std::string_view separator;
  for (const std::string& cell : cells) {
    line += separator;
    line += csv_field(cell);
    separator = ",";
  }
  return line + "\n";
}

/// Appends the table; the arrays of objects within its rows join `queue`.
std::string table_text(const Table& table, std::vector<Table>& queue) {
  std::vector<Flat> rows;
  std::vector<std::string> header{table.key};
  for (std::size_t i = 0; i < table.rows->size(); ++i) {
    Flat flat;
    flatten((*table.rows)[i], "", flat);
    for (Table& nested : flat.tables) {
      queue.push_back({table.key + "." + std::to_string(i) + "." + nested.key, nested.rows});
    }
    for (const Field& field : flat.fields) {
      if (std::find(header.begin() + 1, header.end(), field.key) == header.end()) {
        header.push_back(field.key);
      }
    }
    rows.push_back(std::move(flat));
  }
  std::string text = line_of(header);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<std::string> cells(header.size());
    cells.front() = std::to_string(i);
    for (const Field& field : rows[i].fields) {
      const auto column = std::find(header.begin() + 1, header.end(), field.key);
      cells[static_cast<std::size_t>(column - header.begin())] = field.text;
    }
    text += line_of(cells);
  }
  return text;
}

}  // namespace

std::string csv_text(const Json& document) {
  Flat flat;
  flatten(document, "", flat);
  std::string text = line_of({"key", "value"});
  for (const Field& field : flat.fields) {
    text += line_of({field.key, field.text});
  }
  std::vector<Table> queue = std::move(flat.tables);
  for (std::size_t next = 0; next < queue.size(); ++next) {
    const Table table = queue[next];
    text += "\n" + table_text(table, queue);
  }
  return text;
}

}  // namespace forerun
