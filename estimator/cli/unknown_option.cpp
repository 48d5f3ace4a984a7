// What is said of an option that nobody takes: which was meant, or whose it is.
#include "estimator/cli/unknown_option.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

#include <fmt/format.h>

namespace forerun {

using Words = std::vector<std::string>;

Words verb_names() {
  Words names;
  std::ranges::transform(
      all_verbs(), std::back_inserter(names), [](Verb verb) { return std::string(name_of(verb)); });
  return names;
}

namespace {

/// Options have two dashes: "-model" means one of them.
std::string with_two_dashes(const std::string& word) {
  return word.starts_with("--") ? word : "-" + word;
}

/// What was probably meant: the option that `flag` abbreviates, or else the nearest one.
std::string suggestion(const std::string& flag, const Words& flags) {
  const auto longer = std::ranges::find_if(
      flags, [&](const std::string& candidate) { return candidate.starts_with(flag); });
  return longer == flags.end() ? nearest(flag, flags) : *longer;
}

std::string takers_of(const OptionRow& row) {
  Words takers;
  std::ranges::transform(row.verbs, std::back_inserter(takers), [](Verb taker) {
    return "'" + std::string(name_of(taker)) + "'";
  });
  return listed(takers);
}

}  // namespace

InputError wrong_beginning(const std::string& word) {
  const Words own{"--help", "--version"};
  Words flags = own;
  for (const OptionRow& row : option_table()) {
    flags.push_back("--" + row.name);
  }
  const std::string flag = with_two_dashes(word.substr(0, word.find('=')));
  const std::string meant = suggestion(flag, flags);
  if (std::ranges::find(own, meant) != own.end()) {
    return {word,
            fmt::format("unknown option (did you mean {}? else a verb comes first: {})",
                        meant,
                        listed(verb_names()))};
  }
  return {word,
          fmt::format("the verb comes first (expected {}, as in forerun estimate {})",
                      listed(verb_names()),
                      word.starts_with(meant) ? word : meant)};
}

InputError unknown_option(const std::string& given, Verb verb, std::span<const OptionRow> table) {
  const std::string flag = with_two_dashes(given);
  const auto known =
      std::ranges::find_if(table, [&](const OptionRow& row) { return "--" + row.name == flag; });
  if (known != table.end() && !takes(*known, verb)) {
    return {
        given,
        fmt::format("not an option of '{}' (it belongs to {})", name_of(verb), takers_of(*known))};
  }
  Words flags{"--job", "--help"};
  Words others;
  for (const OptionRow& row : table) {
    (takes(row, verb) ? flags : others).push_back("--" + row.name);
  }
  // Of what is as near the verb's own comes first.
  Words all = flags;
  all.insert(all.end(), others.begin(), others.end());
  const std::string meant = suggestion(flag, flags);
  const std::string nearest_of_all = nearest(flag, all);
  if (!meant.starts_with(flag) && std::ranges::find(others, nearest_of_all) != others.end()) {
    const auto row = std::ranges::find_if(
        table, [&](const OptionRow& other) { return "--" + other.name == nearest_of_all; });
    return {given,
            fmt::format("unknown option of '{}' (did you mean {}, of {}, or {}?)",
                        name_of(verb),
                        nearest_of_all,
                        takers_of(*row),
                        meant)};
  }
  return {given, fmt::format("unknown option of '{}' (did you mean {}?)", name_of(verb), meant)};
}

}  // namespace forerun
