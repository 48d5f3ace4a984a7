#include "estimator/cli/show_comparison.hpp"

#include <algorithm>
#include <cctype>
#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/profile/build_info.hpp"
#include "estimator/profile/compare_profiles.hpp"
#include "estimator/profile/profile_json.hpp"
#include "topologies/read_cluster.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"
#include "units/text_table.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

bool is_profile(const std::string& name) {
  return name.ends_with(".json");
}

// The words of a product's name that tell it from others: those with a digit, "H100", "B200".
std::vector<std::string> model_words(const std::string& device) {
  std::vector<std::string> words;
  std::string word;
  for (const char letter : device + " ") {
    if (std::isalnum(static_cast<unsigned char>(letter)) != 0) {
      word += letter;
      continue;
    }
    const bool has_letter =
        std::ranges::any_of(word, [](unsigned char c) { return std::isalpha(c) != 0; });
    const bool has_digit =
        std::ranges::any_of(word, [](unsigned char c) { return std::isdigit(c) != 0; });
    if (has_letter && has_digit) {
      words.push_back(word);
    }
    word.clear();
  }
  return words;
}

Cluster catalog_cluster_of(const Profile& profile) {
  const auto own = model_words(profile.device.name);
  for (const std::string& name : catalog_clusters()) {
    Cluster cluster = read_cluster(name);
    const auto words = model_words(cluster.device.name);
    if (!words.empty() && std::ranges::find(own, words.front()) != own.end()) {
      return cluster;
    }
  }
  throw InputError("--compare",
                   fmt::format("the catalog has no cluster of '{}' (expected the name of one: {})",
                               profile.device.name,
                               listed(catalog_clusters())));
}

struct Compared {
  std::vector<Comparison> rows;
  std::vector<std::string> missing;  ///< what OLD has and NEW lacks
};

Compared compare(const std::vector<std::string>& names, double tolerance) {
  const std::string& first = names.at(0);
  const std::string& second = names.at(1);
  if (is_profile(first) && is_profile(second)) {
    const Profile before = read_profile(first);
    const Profile after = read_profile(second);
    return {compare_profiles(before, after, tolerance), not_measured_again(before, after)};
  }
  if (!is_profile(first) && !is_profile(second)) {
    throw InputError("--compare",
                     fmt::format("neither '{}' nor '{}' is a profile (expected one that ends in "
                                 ".json)",
                                 first,
                                 second));
  }
  const Profile profile = read_profile(is_profile(first) ? first : second);
  const std::string& expected = is_profile(first) ? second : first;
  const Cluster cluster =
      expected == "catalog" ? catalog_cluster_of(profile) : read_cluster(expected);
  return {compare_with_cluster(cluster, profile, tolerance), {}};
}

}  // namespace

Json comparison_document(const std::vector<std::string>& names, double tolerance) {
  const auto [comparisons, missing] = compare(names, tolerance);
  if (comparisons.empty()) {
    throw InputError("--compare",
                     fmt::format("'{}' and '{}' have no kernel, collective or link in common "
                                 "(expected two profiles of one cluster)",
                                 names.at(0),
                                 names.at(1)));
  }
  Json document = document_head();
  document["inputs"] = {{"compare", names}, {"tolerance", tolerance}};
  document["compared"] = comparisons.size();
  document["slower"] = std::ranges::count_if(comparisons, &Comparison::is_slower);
  document["not_measured_again"] = missing;
  document["rows"] = Json::array();
  for (const Comparison& row : comparisons) {
    document["rows"].push_back({{"key", row.key},
                                {"old_s", row.old_s},
                                {"new_s", row.new_s},
                                {"ratio", row.ratio},
                                {"slower", row.is_slower}});
  }
  return document;
}

void print_comparison(const Json& document, std::ostream& out) {
  TextTable table({{"slower by"}, {"old"}, {"new"}, {"key or link", Align::left}});
  for (const Json& row : document["rows"]) {
    if (!row["slower"].get<bool>()) {
      continue;
    }
    // Links' times per byte have no name of their own: their ratio says it.
    const auto key = row["key"].get<std::string>();
    const auto text = [&](const char* which) {
      const auto value = row[which].get<double>();
      return key.ends_with(" bandwidth") ? text_of(1.0 / value * unit::byte / unit::second)
                                         : text_of(value * unit::second);
    };
    table.add({fmt::format("{:.1f} %", 100.0 * (row["ratio"].get<double>() - 1.0)),
               text("old_s"),
               text("new_s"),
               key});
  }
  if (document["slower"] != 0) {
    table.print(out);
    fmt::print(out, "\n");
  }
  fmt::print(out,
             "{} of {} keys and links are slower by more than {:.3g} % and beyond both intervals\n",
             document["slower"].get<std::int64_t>(),
             document["compared"].get<std::int64_t>(),
             100.0 * document["inputs"]["tolerance"].get<double>());
  if (const Json& missing = document["not_measured_again"]; !missing.empty()) {
    fmt::print(out,
               "{} of the old ones were not measured again: {}{}\n",
               missing.size(),
               missing.front().get<std::string>(),
               missing.size() > 1 ? ", ..." : "");
  }
}

}  // namespace forerun
