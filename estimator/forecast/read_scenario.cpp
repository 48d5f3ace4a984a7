// Reads a scenario from its TOML text; every error names file and line.
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <regex>
#include <span>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "estimator/forecast/scenario.hpp"
#include "units/input_error.hpp"
#include "units/text_file.hpp"

namespace forerun {

namespace {

/// One table of a scenario file: every reading error names file, line and key.
class Table {
 public:
  Table(std::string_view file, const toml::table& table) : file_(file), table_(table) {}

  [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }

  /// Refuses a key that would not be read.
  void check_keys(std::initializer_list<const char*> known) const {
    for (const auto& [key, node] : table_) {
      if (std::ranges::find(known, key.str()) == known.end()) {
        const std::vector<std::string> names(known.begin(), known.end());
        fail(key.str(), fmt::format("is no key here, nearest is '{}'", nearest(key.str(), names)));
      }
    }
  }

  [[nodiscard]] std::string text(std::string_view key) const {
    const auto value = table_[key].value<std::string>();
    if (!value || value->empty()) {
      fail(key, "should be a text");
    }
    return *value;
  }

  [[nodiscard]] double number(std::string_view key) const {
    const auto value = table_[key].value<double>();
    if (!value || !std::isfinite(*value)) {
      fail(key, "should be a finite number");
    }
    return *value;
  }

  [[nodiscard]] std::vector<double> numbers(std::string_view key) const {
    std::vector<double> values;
    const toml::array* list = table_[key].as_array();
    if (list == nullptr) {
      fail(key, "should be a list of numbers");
    }
    for (const toml::node& node : *list) {
      const auto value = node.value<double>();
      if (!value || !std::isfinite(*value)) {
        fail(key, "should hold finite numbers only");
      }
      values.push_back(*value);
    }
    return values;
  }

  /// The tables of `[[key]]`, none if it is absent.
  [[nodiscard]] std::vector<Table> tables(std::string_view key) const {
    std::vector<Table> found;
    if (!has(key)) {
      return found;
    }
    const toml::array* list = table_[key].as_array();
    if (list == nullptr || !list->is_array_of_tables()) {
      fail(key, "should be a list of tables");
    }
    for (const toml::node& node : *list) {
      found.emplace_back(file_, *node.as_table());
    }
    return found;
  }

  [[nodiscard]] std::vector<std::string> texts(std::string_view key) const {
    std::vector<std::string> values;
    if (const toml::array* list = table_[key].as_array()) {
      for (const toml::node& node : *list) {
        values.push_back(node.value_or(std::string()));
      }
    }
    return values;
  }

  [[nodiscard]] Input input(std::string_view key) const {
    const std::string name = text(key);
    const auto found = input_from(name);
    if (!found) {
      fail(key, unknown_input(name));
    }
    return *found;
  }

  [[nodiscard]] const toml::table& nodes() const { return table_; }

  [[nodiscard]] static std::string unknown_input(std::string_view name) {
    std::vector<std::string> known;
    for (std::size_t i = 0; i < input_count; ++i) {
      known.emplace_back(name_of(static_cast<Input>(i)));
    }
    return fmt::format("'{}' is no input, nearest is '{}'", name, nearest(name, known));
  }

  [[noreturn]] void fail(std::string_view key, std::string_view problem) const {
    const toml::node* node = table_.get(key);
    const auto line = (node != nullptr ? node->source() : table_.source()).begin.line;
    throw InputError(fmt::format("{}.toml:{}", file_, line), fmt::format("{}: {}", key, problem));
  }

 private:
  std::string_view file_;
  const toml::table& table_;
};

void check_ascending(const Table& table, std::string_view key, std::span<const double> values) {
  const auto falls = std::ranges::is_sorted_until(values);
  if (falls != values.end()) {
    table.fail(key, fmt::format("should ascend, but {} comes after {}", *falls, *std::prev(falls)));
  }
}

/// As many levels as values, each strictly between 0 and 1.
std::vector<double> levels_of(const Table& table, std::size_t count) {
  if (!table.has("levels")) {
    table.fail("levels",
               fmt::format("are missing: what probability lies below each of the {} values "
                           "(expected levels = [0.05, 0.95] or the like)",
                           count));
  }
  std::vector<double> levels = table.numbers("levels");
  const bool within =
      std::ranges::all_of(levels, [](double level) { return level > 0.0 && level < 1.0; });
  if (levels.size() != count || !within) {
    table.fail("levels", fmt::format("should be {} probabilities between 0 and 1", count));
  }
  check_ascending(table, "levels", levels);
  return levels;
}

std::vector<double> positive_values(const Table& table, std::size_t least, std::size_t most) {
  std::vector<double> values = table.numbers("values");
  const bool positive = std::ranges::all_of(values, [](double value) { return value > 0.0; });
  if (values.size() < least || values.size() > most || !positive) {
    table.fail("values", fmt::format("should be {} or more positive numbers", least));
  }
  return values;
}

ScenarioInput lognormal_input(const Table& table) {
  const auto values = positive_values(table, 2, 2);
  const auto levels = levels_of(table, 2);
  check_ascending(table, "values", values);
  if (levels[0] == levels[1]) {
    table.fail("levels", "should differ");
  }
  return {.distribution = lognormal_from({values[0], levels[0]}, {values[1], levels[1]}),
          .values = values,
          .levels = levels,
          .source = table.text("source"),
          .as_of = {}};
}

ScenarioInput two_piece_input(const Table& table) {
  const auto values = positive_values(table, 3, 3);
  const auto levels = levels_of(table, 3);
  check_ascending(table, "values", values);
  if (levels[0] >= 0.5 || levels[1] != 0.5 || levels[2] <= 0.5) {
    table.fail("levels", "should be one below 0.5, 0.5, and one above");
  }
  return {.distribution = two_piece({values[0], levels[0]}, values[1], {values[2], levels[2]}),
          .values = values,
          .levels = levels,
          .source = table.text("source"),
          .as_of = {}};
}

ScenarioInput log_triangular_input(const Table& table) {
  const auto values = positive_values(table, 3, 3);
  check_ascending(table, "values", values);
  if (values[0] == values[2]) {
    table.fail("values", "should differ, or be a constant");
  }
  return {.distribution = LogTriangular{values[0], values[1], values[2]},
          .values = values,
          .levels = {},
          .source = table.text("source"),
          .as_of = {}};
}

ScenarioInput discrete_input(const Table& table) {
  const auto values = positive_values(table, 1, std::numeric_limits<std::size_t>::max());
  auto weights = table.numbers("weights");
  double sum = 0.0;
  for (const double weight : weights) {
    sum += weight;
  }
  const bool positive = std::ranges::all_of(weights, [](double weight) { return weight > 0.0; });
  if (weights.size() != values.size() || !positive || std::abs(sum - 1.0) > 1e-9) {
    table.fail("weights", "should be one positive weight a value that sum to 1");
  }
  return {.distribution = Discrete{values, weights},
          .values = values,
          .levels = weights,
          .source = table.text("source"),
          .as_of = {}};
}

ScenarioInput input_of(const Table& table) {
  table.check_keys({"distribution", "values", "levels", "weights", "source", "as_of"});
  const std::string kind = table.text("distribution");
  if (kind == "constant") {
    const auto values = positive_values(table, 1, 1);
    return {.distribution = Constant{values[0]},
            .values = values,
            .levels = {},
            .source = table.text("source"),
            .as_of = {}};
  }
  if (kind == "lognormal") {
    return lognormal_input(table);
  }
  if (kind == "two_piece") {
    return two_piece_input(table);
  }
  if (kind == "log_triangular") {
    return log_triangular_input(table);
  }
  if (kind == "discrete") {
    return discrete_input(table);
  }
  const std::vector<std::string> known = {
      "constant", "lognormal", "two_piece", "log_triangular", "discrete"};
  table.fail("distribution", fmt::format("'{}' should be {}", kind, listed(known)));
}

/// "2024", "2024-08" or "2024-08-31"; the scenario's own date where none is given.
std::string date_of(const Table& table, const Table& root) {
  if (!table.has("as_of")) {
    return root.text("base_date");
  }
  static const std::regex date("[0-9]{4}(-(0[1-9]|1[0-2])(-[0-3][0-9])?)?");
  std::string text = table.text("as_of");
  if (!std::regex_match(text, date)) {
    table.fail("as_of", fmt::format("'{}' should be a date as '2024' or '2024-08'", text));
  }
  return text;
}

std::map<Input, ScenarioInput> inputs_of(std::string_view file, const Table& root) {
  const toml::table* section = root.nodes()["inputs"].as_table();
  if (section == nullptr) {
    root.fail("inputs", "is missing");
  }
  std::map<Input, ScenarioInput> inputs;
  for (const auto& [key, node] : *section) {
    const Table table(file, *section);
    const auto input = input_from(key);
    if (!input) {
      table.fail(key, Table::unknown_input(key));
    }
    if (!node.is_table()) {
      table.fail(key, "should be a table");
    }
    const Table entry(file, *node.as_table());
    ScenarioInput read = input_of(entry);
    read.as_of = date_of(entry, root);
    inputs.emplace(*input, std::move(read));
  }
  return inputs;
}

std::vector<ProjectionRow> projection_of(const Table& root) {
  std::vector<ProjectionRow> rows;
  for (const Table& table : root.tables("projection")) {
    table.check_keys({"year", "low", "median", "high"});
    rows.push_back({.year = table.number("year"),
                    .low = table.number("low"),
                    .median = table.number("median"),
                    .high = table.number("high")});
  }
  if (!std::ranges::is_sorted(rows, {}, &ProjectionRow::year)) {
    root.fail("projection", "years should ascend");
  }
  return rows;
}

std::vector<InputCorrelation> correlations_of(const Table& root) {
  std::vector<InputCorrelation> correlations;
  for (const Table& table : root.tables("correlation")) {
    table.check_keys({"first", "second", "spearman"});
    const InputCorrelation correlation{.first = table.input("first"),
                                       .second = table.input("second"),
                                       .spearman = table.number("spearman")};
    if (std::abs(correlation.spearman) >= 1.0 || correlation.first == correlation.second) {
      table.fail("spearman", "should lie between -1 and 1 and join two inputs");
    }
    correlations.push_back(correlation);
  }
  return correlations;
}

std::vector<ScenarioVariant> what_ifs_of(const Table& root) {
  std::vector<ScenarioVariant> what_ifs;
  for (const Table& table : root.tables("what_if")) {
    table.check_keys({"name", "input", "value", "source", "as_of"});
    what_ifs.push_back({.name = table.text("name"),
                        .input = table.input("input"),
                        .value = table.number("value"),
                        .source = table.text("source"),
                        .as_of = date_of(table, root)});
    if (what_ifs.back().value <= 0.0) {
      table.fail("value", "should be positive");
    }
  }
  return what_ifs;
}

std::vector<PublishedFigure> published_of(const Table& root) {
  std::vector<PublishedFigure> figures;
  for (const Table& table : root.tables("published")) {
    table.check_keys({"quantity", "centre", "range", "levels", "note", "as_of"});
    PublishedFigure figure{.quantity = table.text("quantity"),
                           .centre = table.number("centre"),
                           .range = {},
                           .levels = {},
                           .note = table.text("note"),
                           .as_of = date_of(table, root)};
    if (table.has("range")) {
      figure.range = table.numbers("range");
      figure.levels = levels_of(table, figure.range.size());
    }
    figures.push_back(std::move(figure));
  }
  return figures;
}

/// What grows from a year names the year.
void check_base(const Table& root, const Scenario& scenario, Input grows, const char* key) {
  if (scenario.inputs.contains(grows) && !root.has(key)) {
    root.fail("inputs",
              fmt::format("{} needs {}, the year that it grows from", name_of(grows), key));
  }
}

/// What is correlated varies.
void check_correlations(const Table& root, const Scenario& scenario) {
  for (const InputCorrelation& correlation : scenario.correlations) {
    for (const Input input : {correlation.first, correlation.second}) {
      const auto entry = scenario.inputs.find(input);
      if (entry == scenario.inputs.end() ||
          std::holds_alternative<Constant>(entry->second.distribution)) {
        root.fail("correlation",
                  fmt::format("{} does not vary: nothing correlates with it", name_of(input)));
      }
    }
  }
}

/// Compute comes from one place only, and the law has its three constants.
void check_complete(const Table& root, const Scenario& scenario) {
  if (scenario.inputs.contains(Input::anchor_flop) !=
      scenario.inputs.contains(Input::growth_per_year)) {
    root.fail("inputs", "should hold both of anchor_flop and growth_per_year, or neither");
  }
  check_base(root, scenario, Input::anchor_flop, "base_year");
  check_base(root, scenario, Input::price_performance_per_year, "price_year");
  check_base(root, scenario, Input::efficiency_per_year, "efficiency_year");
  if (scenario.inputs.contains(Input::reversion_year)) {
    const auto& years = scenario.inputs.at(Input::reversion_year).values;
    if (!scenario.inputs.contains(Input::anchor_flop) || scenario.base_year < slowing_since ||
        std::ranges::min(years) <= slowing_since) {
      root.fail("inputs",
                fmt::format("reversion_year needs years after {:.0f}, and anchor_flop of {:.0f} or "
                            "later",
                            slowing_since,
                            slowing_since));
    }
  }
  const bool has_trend = scenario.inputs.contains(Input::anchor_flop) &&
                         scenario.inputs.contains(Input::growth_per_year);
  const int compute_sources = static_cast<int>(scenario.inputs.contains(Input::training_flop)) +
                              static_cast<int>(has_trend) +
                              static_cast<int>(!scenario.projection.empty());
  if (compute_sources != 1) {
    root.fail("inputs",
              "should hold training_flop, or anchor_flop and growth_per_year, or there should be "
              "a projection");
  }
  check_correlations(root, scenario);
  for (const Input input :
       {Input::kappa, Input::tokens_per_parameter, Input::tokens_per_person_minute}) {
    if (!scenario.inputs.contains(input)) {
      root.fail("inputs", fmt::format("lacks {}", name_of(input)));
    }
  }
}

double optional_year(const Table& root, std::string_view key) {
  constexpr double first = 1900.0;
  constexpr double last = 2200.0;
  if (!root.has(key)) {
    return 0.0;
  }
  const double year = root.number(key);
  if (year < first || year > last) {
    root.fail(key, fmt::format("should be a year from {:.0f} to {:.0f}", first, last));
  }
  return year;
}

Scenario scenario_of(std::string_view file, const Table& root) {
  root.check_keys({"title",
                   "base_date",
                   "base_year",
                   "price_year",
                   "efficiency_year",
                   "years",
                   "anchor",
                   "notes",
                   "projection_source",
                   "projection",
                   "inputs",
                   "correlation",
                   "what_if",
                   "published"});
  const auto years = root.numbers("years");
  if (years.size() != 2 || years[0] > years[1]) {
    root.fail("years", "should be the first and the last year");
  }
  Scenario scenario{.name = std::string(file),
                    .title = root.text("title"),
                    .base_date = root.text("base_date"),
                    .anchor = root.text("anchor"),
                    .first_year = years[0],
                    .last_year = years[1],
                    .base_year = optional_year(root, "base_year"),
                    .price_year = optional_year(root, "price_year"),
                    .efficiency_year = optional_year(root, "efficiency_year"),
                    .inputs = inputs_of(file, root),
                    .projection = projection_of(root),
                    .projection_source = {},
                    .correlations = correlations_of(root),
                    .what_ifs = what_ifs_of(root),
                    .published = published_of(root),
                    .notes = root.texts("notes")};
  if (!scenario.projection.empty()) {
    scenario.projection_source = root.text("projection_source");
  }
  check_complete(root, scenario);
  return scenario;
}

}  // namespace

Scenario read_scenario(const CatalogFile& file) {
  check_toml_keys(file.text, fmt::format("{}.toml", file.name));
  try {
    const toml::table root = toml::parse(file.text);
    return scenario_of(file.name, Table(file.name, root));
  } catch (const toml::parse_error& error) {
    throw InputError(fmt::format("{}.toml:{}", file.name, error.source().begin.line),
                     fmt::format("{}, expected TOML", error.description()));
  }
}

}  // namespace forerun
