#include "estimator/validate/csv_table.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "units/input_error.hpp"
#include "units/text_file.hpp"

namespace forerun {
namespace {

// Splits text into records; `line` is where the next one starts.
class Splitter {
 public:
  Splitter(const std::string& path, std::string text) : path_(path), text_(std::move(text)) {}

  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }

  [[nodiscard]] std::size_t line() const { return line_; }

  std::vector<std::string> record() {
    std::vector<std::string> cells(1);
    const std::size_t first_line = line_;
    bool is_quoted = false;
    while (!at_end()) {
      const char c = text_[at_++];
      line_ += c == '\n' ? 1 : 0;
      if (is_quoted) {
        is_quoted = stays_quoted(c, cells.back());
      } else if (c == '"') {
        is_quoted = true;
      } else if (c == ',') {
        cells.emplace_back();
      } else if (c == '\n') {
        return cells;
      } else if (c != '\r') {
        cells.back() += c;
      }
    }
    if (is_quoted) {
      throw InputError(fmt::format("{}:{}", path_, first_line), "a quote is opened and not closed");
    }
    return cells;
  }

 private:
  // Inside quotes: two of them are one, a single one ends them.
  bool stays_quoted(char c, std::string& cell) {
    if (c != '"') {
      cell += c;
      return true;
    }
    if (!at_end() && text_[at_] == '"') {
      cell += '"';
      ++at_;
      return true;
    }
    return false;
  }

  const std::string& path_;
  std::string text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

}  // namespace

CsvTable CsvTable::read(const std::string& path) {
  return parse(text_of_file(path, largest::table, "a CSV file"), path);
}

CsvTable CsvTable::parse(std::string text, const std::string& path) {
  Splitter splitter(path, std::move(text));
  CsvTable table;
  table.path_ = path;
  table.header_ = splitter.record();
  while (!splitter.at_end()) {
    const std::size_t number = splitter.line();
    auto cells = splitter.record();
    if (cells.size() == 1 && cells.front().empty()) {
      continue;
    }
    if (cells.size() != table.header_.size()) {
      throw InputError(fmt::format("{}:{}", path, number),
                       fmt::format("has {} fields (expected {}, as the header has)",
                                   cells.size(),
                                   table.header_.size()));
    }
    table.lines_.push_back({number, std::move(cells)});
  }
  return table;
}

bool CsvTable::has(std::string_view column) const {
  return std::ranges::find(header_, column) != header_.end();
}

std::size_t CsvTable::column(std::string_view name) const {
  const auto found = std::ranges::find(header_, name);
  if (found == header_.end()) {
    throw InputError(
        path_,
        fmt::format(
            "has no column '{}' (nearest is '{}')", name, nearest(std::string(name), header_)));
  }
  return static_cast<std::size_t>(found - header_.begin());
}

std::string CsvTable::place(std::size_t row) const {
  return fmt::format("{}:{}", path_, lines_[row].number);
}

void CsvTable::refuse(std::size_t row, std::string_view column, const char* expected) const {
  throw InputError(
      place(row),
      fmt::format("column '{}': '{}' (expected {})", column, text(row, column), expected));
}

const std::string& CsvTable::text(std::size_t row, std::string_view column) const {
  return lines_[row].cells[this->column(column)];
}

std::optional<double> CsvTable::number(std::size_t row, std::string_view column) const {
  const std::string& cell = text(row, column);
  if (cell.empty()) {
    return std::nullopt;
  }
  double value = 0.0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc{} || end != cell.data() + cell.size() || !std::isfinite(value)) {
    refuse(row, column, "a number");
  }
  return value;
}

double CsvTable::needed_number(std::size_t row, std::string_view column) const {
  const auto value = number(row, column);
  if (!value) {
    refuse(row, column, "a number");
  }
  return *value;
}

std::int64_t CsvTable::needed_count(std::size_t row, std::string_view column) const {
  constexpr double most = 9007199254740992.0;
  const double value = needed_number(row, column);
  if (value != std::floor(value) || std::abs(value) > most) {
    refuse(row, column, "a whole number");
  }
  return static_cast<std::int64_t>(value);
}

}  // namespace forerun
