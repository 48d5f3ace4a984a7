// Typed reading of TOML values, with the place of every complaint.
#include "topologies/cluster_table.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "units/input_error.hpp"
#include "units/quantity_text.hpp"
#include "units/text_file.hpp"

namespace forerun {
namespace {

std::string place(const std::string& file, const toml::node& node) {
  const toml::source_position at = node.source().begin;
  return fmt::format("{}:{}:{}", file, at.line, at.column);
}

std::string place(const std::string& file, const toml::key& key) {
  const toml::source_position at = key.source().begin;
  return fmt::format("{}:{}:{}", file, at.line, at.column);
}

}  // namespace

toml::table parse_toml(std::string_view text, const std::string& where) {
  check_toml_keys(text, where);
  try {
    return toml::parse(text, where);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    throw InputError(fmt::format("{}:{}:{}", where, at.line, at.column), error.description());
  }
}

ClusterTable::ClusterTable(const toml::table& table,
                           std::string label,
                           std::string file,
                           std::initializer_list<std::string_view> known)
    : table_(&table), label_(std::move(label)), file_(std::move(file)) {
  for (const auto& entry : table) {
    const toml::key& key = entry.first;
    if (std::ranges::find(known, key.str()) == known.end()) {
      const std::vector<std::string> names(known.begin(), known.end());
      throw InputError(place(file_, key),
                       fmt::format("unknown key '{}' in {}: did you mean '{}'?",
                                   key.str(),
                                   label_,
                                   nearest(key.str(), names)));
    }
  }
}

void ClusterTable::fail(std::string_view key, const std::string& problem) const {
  const toml::node* const node = find(key);
  throw InputError(place(file_, node != nullptr ? *node : *table_), problem);
}

const toml::node* ClusterTable::find(std::string_view key) const {
  return table_->get(key);
}

const toml::node& ClusterTable::find_required(std::string_view key) const {
  const toml::node* const node = find(key);
  if (node == nullptr) {
    fail(key, fmt::format("{} has no key '{}', which is required", label_, key));
  }
  return *node;
}

std::optional<std::string> ClusterTable::optional_text(std::string_view key) const {
  const toml::node* const node = find(key);
  if (node == nullptr) {
    return std::nullopt;
  }
  if (!node->is_string() || node->as_string()->get().empty()) {
    fail(key, fmt::format("'{}' in {} must be a text in quotes", key, label_));
  }
  return node->as_string()->get();
}

std::string ClusterTable::text(std::string_view key) const {
  (void)find_required(key);
  return *optional_text(key);
}

std::optional<std::int64_t> ClusterTable::optional_count(std::string_view key) const {
  const toml::node* const node = find(key);
  if (node == nullptr) {
    return std::nullopt;
  }
  if (!node->is_integer() || node->as_integer()->get() < 1) {
    fail(key, fmt::format("'{}' in {} must be a whole number of at least 1", key, label_));
  }
  return node->as_integer()->get();
}

std::int64_t ClusterTable::count(std::string_view key) const {
  (void)find_required(key);
  return *optional_count(key);
}

std::optional<double> ClusterTable::optional_number(std::string_view key,
                                                    double low,
                                                    double high) const {
  const toml::node* const node = find(key);
  if (node == nullptr) {
    return std::nullopt;
  }
  const std::optional<double> value =
      node->is_number() ? node->value<double>() : std::optional<double>();
  if (!value || !(*value >= low) || !(*value <= high)) {
    fail(key,
         fmt::format(
             "'{}' in {} must be a number from {} to {} without quotes", key, label_, low, high));
  }
  return value;
}

void ClusterTable::append_numbers(std::string_view key,
                                  const toml::array& list,
                                  double low,
                                  double high,
                                  std::vector<double>& all) const {
  for (const toml::node& node : list) {
    const std::optional<double> value =
        node.is_number() ? node.value<double>() : std::optional<double>();
    if (const toml::array* const nested = node.as_array()) {
      append_numbers(key, *nested, low, high, all);
    } else if (!value || !(*value >= low) || !(*value <= high)) {
      fail(key, fmt::format("'{}' in {} must hold numbers from {} to {}", key, label_, low, high));
    } else {
      all.push_back(*value);
    }
  }
}

std::vector<double> ClusterTable::numbers(std::string_view key, double low, double high) const {
  const toml::array* const list = find_required(key).as_array();
  std::vector<double> all;
  if (list != nullptr) {
    append_numbers(key, *list, low, high, all);
  }
  if (all.empty()) {
    fail(key, fmt::format("'{}' in {} must be a list of numbers, [1, 2]", key, label_));
  }
  return all;
}

std::vector<std::string> ClusterTable::texts(std::string_view key) const {
  const toml::array* const list = find_required(key).as_array();
  if (list == nullptr || list->empty() || !list->is_homogeneous(toml::node_type::string)) {
    fail(key, fmt::format(R"('{}' in {} must be a list of texts, ["a", "b"])", key, label_));
  }
  std::vector<std::string> all;
  for (const toml::node& node : *list) {
    all.push_back(node.as_string()->get());
  }
  return all;
}

std::optional<double> ClusterTable::optional_fraction(std::string_view key) const {
  const std::optional<double> value = optional_number(key, 0.0, 1.0);
  if (value && *value == 0.0) {
    fail(key, fmt::format("'{}' in {} must be a fraction above 0, up to 1", key, label_));
  }
  return value;
}

double ClusterTable::number(std::string_view key, double low, double high) const {
  (void)find_required(key);
  return *optional_number(key, low, high);
}

double ClusterTable::fraction(std::string_view key) const {
  (void)find_required(key);
  return *optional_fraction(key);
}

std::optional<bool> ClusterTable::optional_flag(std::string_view key) const {
  const toml::node* const node = find(key);
  if (node == nullptr) {
    return std::nullopt;
  }
  if (!node->is_boolean()) {
    fail(key, fmt::format("'{}' in {} must be true or false without quotes", key, label_));
  }
  return node->as_boolean()->get();
}

std::vector<std::int64_t> ClusterTable::counts(std::string_view key) const {
  std::vector<std::int64_t> all;
  const toml::node* const node = find(key);
  if (node == nullptr) {
    return all;
  }
  const std::string problem = fmt::format(
      "'{}' in {} must be a list of whole numbers of at least 1, like [4, 4]", key, label_);
  if (!node->is_array() || node->as_array()->empty()) {
    fail(key, problem);
  }
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_integer() || element.as_integer()->get() < 1) {
      fail(key, problem);
    }
    all.push_back(element.as_integer()->get());
  }
  return all;
}

std::optional<std::size_t> ClusterTable::optional_choice(
    std::string_view key, const std::vector<std::string>& choices) const {
  const auto word = optional_text(key);
  if (!word) {
    return std::nullopt;
  }
  const auto found = std::ranges::find(choices, *word);
  if (found == choices.end()) {
    fail(key,
         fmt::format("'{}' in {} is '{}': did you mean '{}'? Expected {}",
                     key,
                     label_,
                     *word,
                     nearest(*word, choices),
                     listed(choices)));
  }
  return static_cast<std::size_t>(found - choices.begin());
}

template <typename Parse>
auto ClusterTable::with_unit(std::string_view key, Parse parse, std::string_view example) const {
  const toml::node& node = find_required(key);
  const auto expected = fmt::format("expected one like \"{}\"", example);
  if (!node.is_string()) {
    fail(key, fmt::format("'{}' in {} has no unit: {}", key, label_, expected));
  }
  const std::string& text = node.as_string()->get();
  const auto value = parse(text);
  if (!value || *value <= decltype (*value - *value)()) {
    fail(key, fmt::format("'{}' in {} is \"{}\": {}", key, label_, text, expected));
  }
  return *value;
}

Bytes ClusterTable::bytes(std::string_view key) const {
  return with_unit(key, parse_bytes, "80 GiB");
}

Seconds ClusterTable::time(std::string_view key) const {
  return with_unit(key, parse_time, "5 us");
}

std::optional<Seconds> ClusterTable::optional_time(std::string_view key) const {
  return find(key) == nullptr ? std::nullopt : std::optional(time(key));
}

BytesPerSecond ClusterTable::rate(std::string_view key) const {
  return with_unit(key, parse_rate, "300 GB/s");
}

std::optional<BytesPerSecond> ClusterTable::optional_rate(std::string_view key) const {
  return find(key) == nullptr ? std::nullopt : std::optional(rate(key));
}

std::optional<Watts> ClusterTable::optional_power(std::string_view key) const {
  return find(key) == nullptr ? std::nullopt : std::optional(with_unit(key, parse_power, "700 W"));
}

FlopsPerSecond ClusterTable::flop_rate(std::string_view key) const {
  return with_unit(key, parse_flop_rate, "989 TFLOP/s");
}

const toml::table* ClusterTable::optional_table(std::string_view key) const {
  const toml::node* const node = find(key);
  if (node != nullptr && !node->is_table()) {
    fail(key, fmt::format("'{}' in {} must be a table, [{}]", key, label_, key));
  }
  return node == nullptr ? nullptr : node->as_table();
}

std::vector<const toml::table*> ClusterTable::optional_tables(std::string_view key) const {
  return find(key) == nullptr ? std::vector<const toml::table*>() : tables(key);
}

std::vector<const toml::table*> ClusterTable::tables(std::string_view key) const {
  const toml::node& node = find_required(key);
  const toml::array* const array = node.as_array();
  if (array == nullptr || array->empty() || !array->is_homogeneous(toml::node_type::table)) {
    fail(key, fmt::format("'{}' in {} must be a list of tables, [[{}]]", key, label_, key));
  }
  std::vector<const toml::table*> all;
  for (const toml::node& element : *array) {
    all.push_back(element.as_table());
  }
  return all;
}

}  // namespace forerun
