#include "estimator/validate/blanks.hpp"

#include <algorithm>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "estimator/validate/csv_table.hpp"
#include "units/catalog_file.hpp"
#include "units/input_error.hpp"

namespace forerun {

// Generated from blanks.csv by cmake/embed_catalog.cmake.
std::span<const CatalogFile> blank_table_files();

namespace {

// A pattern with '*' as a regular expression for the whole text.
std::string whole_text(const std::string& pattern) {
  std::string expression = "^";
  for (const char c : pattern) {
    if (c == '*') {
      expression += ".*";
      continue;
    }
    if (std::string_view("\\^$.|?+()[]{}").find(c) != std::string_view::npos) {
      expression += '\\';
    }
    expression += c;
  }
  return expression + "$";
}

bool is_result(const std::string& column) {
  return std::ranges::find(result_columns(), column) != result_columns().end();
}

struct ConditionText {
  std::string column;
  std::string expression;
};

std::vector<ConditionText> conditions_in(const std::string& when, const std::string& place) {
  std::vector<ConditionText> conditions;
  for (std::size_t first = 0; first < when.size();) {
    const std::size_t last = std::min(when.find(';', first), when.size());
    const std::string text = when.substr(first, last - first);
    const std::size_t sign = text.find_first_of("=~");
    if (sign == std::string::npos || sign == 0) {
      throw InputError(place,
                       fmt::format("'{}' is no condition (expected column=pattern or "
                                   "column~regular expression)",
                                   text));
    }
    const std::string right = text.substr(sign + 1);
    conditions.push_back({text.substr(0, sign), text[sign] == '=' ? whole_text(right) : right});
    first = last + 1;
  }
  return conditions;
}

}  // namespace

BlankTable BlankTable::parse(std::string_view text, const std::string& where) {
  const CsvTable csv = CsvTable::parse(std::string(text), where);
  BlankTable table;
  for (std::size_t row = 0; row < csv.rows(); ++row) {
    const std::string place = csv.place(row);
    Rule rule;
    rule.column = csv.text(row, "column");
    rule.replaces = rule.column.ends_with('!');
    if (rule.replaces) {
      rule.column.pop_back();
    }
    rule.value = csv.text(row, "value");
    rule.origin = csv.text(row, "origin");
    if (rule.column.empty() || rule.value.empty() || rule.origin.empty()) {
      throw InputError(place, "a rule needs a column, a value and its origin");
    }
    auto conditions = conditions_in(csv.text(row, "when"), place);
    conditions.push_back({"source", whole_text(csv.text(row, "source"))});
    conditions.push_back({"model", whole_text(csv.text(row, "model"))});
    for (const ConditionText& condition : conditions) {
      if (is_result(condition.column) || is_result(rule.column)) {
        throw InputError(place, "a rule may neither ask for a result column nor fill one");
      }
      rule.conditions.push_back({condition.column, std::regex(condition.expression)});
    }
    // The cheapest test first: few rules fill a column that is blank.
    std::ranges::reverse(rule.conditions);
    table.rules_.push_back(std::move(rule));
  }
  return table;
}

const BlankTable& BlankTable::committed() {
  static const BlankTable table = [] {
    const CatalogFile& file = blank_table_files().front();
    return parse(file.text, "blanks.csv");
  }();
  return table;
}

std::optional<std::string> BlankTable::value_for(const Rule& rule, const Cells& configuration) {
  std::string value = rule.value;
  for (const Condition& condition : rule.conditions) {
    const std::string text = text_in(configuration, condition.column);
    std::smatch groups;
    if (!std::regex_search(text, groups, condition.pattern)) {
      return std::nullopt;
    }
    if (groups.size() > 1) {
      value = groups.format(value);
    }
  }
  return value;
}

std::vector<Assumption> BlankTable::fill(Cells& configuration) const {
  for (const auto& [column, text] : configuration) {
    if (is_result(column)) {
      throw InputError(column, "is a result: what was measured may not decide a prediction");
    }
  }
  std::vector<Assumption> assumptions;
  for (const Rule& rule : rules_) {
    if (configuration.contains(rule.column) && !rule.replaces) {
      continue;
    }
    const auto value = value_for(rule, configuration);
    if (value && text_in(configuration, rule.column) != *value) {
      configuration.insert_or_assign(rule.column, *value);
      assumptions.push_back({rule.column, *value, rule.origin});
    }
  }
  return assumptions;
}

}  // namespace forerun
