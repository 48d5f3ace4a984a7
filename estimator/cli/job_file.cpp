// Reads a job file with toml++, whose nodes know their lines.
#include "estimator/cli/job_file.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "units/input_error.hpp"
#include "units/text_file.hpp"

namespace forerun {
namespace {

std::string place_of(const std::string& file, const toml::source_region& source) {
  return fmt::format("{}:{}", file, source.begin.line);
}

const OptionRow& row_named(std::string_view key,
                           const std::string& place,
                           std::span<const OptionRow> table) {
  const auto row = std::ranges::find(table, key, &OptionRow::name);
  if (row != table.end()) {
    return *row;
  }
  std::vector<std::string> names;
  std::ranges::transform(table, std::back_inserter(names), &OptionRow::name);
  throw InputError(place,
                   fmt::format("unknown option '{}' (did you mean {}?)", key, nearest(key, names)));
}

/// The text that the command line would have for this value.
std::string text_of(const toml::node& node, const OptionRow& row, const std::string& where) {
  if (const auto* text = node.as_string()) {
    return text->get();
  }
  if (const auto* whole = node.as_integer()) {
    return std::to_string(whole->get());
  }
  if (const auto* number = node.as_floating_point()) {
    return fmt::format("{}", number->get());
  }
  if (const auto* state = node.as_boolean()) {
    const bool is_switch = std::ranges::find(row.words, "on") != row.words.end();
    const bool on = state->get();
    return is_switch ? (on ? "on" : "off") : (on ? "true" : "false");
  }
  throw InputError(where, "expected one string, number, true or false");
}

std::vector<JobFileEntry> entries_of(const toml::node& node,
                                     const OptionRow& row,
                                     const std::string& file) {
  const auto where_of = [&](const toml::node& value) {
    return place_of(file, value.source()) + ": " + row.name;
  };
  std::vector<JobFileEntry> entries;
  const auto* const values = node.as_array();
  if (values == nullptr || row.kind != OptionKind::repeatable) {
    const std::string where = where_of(node);
    entries.push_back({row.name, {where, text_of(node, row, where)}});
    return entries;
  }
  for (const toml::node& value : *values) {
    const std::string where = where_of(value);
    entries.push_back({row.name, {where, text_of(value, row, where)}});
  }
  return entries;
}

}  // namespace

std::vector<JobFileEntry> read_job_text(std::string_view text,
                                        const std::string& where,
                                        std::span<const OptionRow> table) {
  check_toml_keys(text, where);
  toml::table document;
  try {
    document = toml::parse(text, where);
  } catch (const toml::parse_error& error) {
    throw InputError(place_of(where, error.source()), error.description());
  }
  std::vector<JobFileEntry> entries;
  for (const auto& [key, node] : document) {
    const OptionRow& row = row_named(key.str(), place_of(where, key.source()), table);
    std::ranges::move(entries_of(node, row, where), std::back_inserter(entries));
  }
  return entries;
}

}  // namespace forerun
