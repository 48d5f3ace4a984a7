#include "estimator/validate/print_inference.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <fmt/ostream.h>

#include "topologies/median.hpp"
#include "units/text_table.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;
using Bounds = std::vector<const ThroughputBound*>;

Json summary_of(const Bounds& bounds) {
  std::vector<double> ratios;
  std::int64_t under = 0;
  for (const ThroughputBound* bound : bounds) {
    if (bound->predicted) {
      ratios.push_back(bound->published / *bound->predicted);
      under += ratios.back() <= 1.0 ? 1 : 0;
    }
  }
  const auto priced = static_cast<std::int64_t>(ratios.size());
  Json json{{"priced", priced}, {"total", bounds.size()}};
  json["share_at_or_under"] =
      priced > 0 ? Json(static_cast<double>(under) / static_cast<double>(priced)) : Json();
  json["median_ratio"] = priced > 0 ? Json(upper_median_of(ratios)) : Json();
  json["max_ratio"] = priced > 0 ? Json(*std::ranges::max_element(ratios)) : Json();
  return json;
}

Json row_json(const ThroughputBound& bound) {
  Json json{
      {"id", bound.id},
      {"published_tokens_per_s_per_device", bound.published},
      {"predicted_tokens_per_s_per_device", bound.predicted ? Json(*bound.predicted) : Json()},
      {"ratio", bound.predicted ? Json(bound.published / *bound.predicted) : Json()},
      {"layout", bound.layout},
      {"batch", bound.batch},
      {"skip_reason", bound.skip_reason}};
  return json;
}

std::string whole_percent(const Json& value) {
  return value.is_null() ? "-" : fmt::format("{:.0f} %", 100.0 * value.get<double>());
}

std::string ratio(const Json& value) {
  return value.is_null() ? "-" : fmt::format("{:.2f}", value.get<double>());
}

void add_bound(TextTable& table, const std::string& name, const Json& group) {
  table.add({name,
             fmt::format(
                 "{}/{}", group["priced"].get<std::int64_t>(), group["total"].get<std::int64_t>()),
             whole_percent(group["share_at_or_under"]),
             ratio(group["median_ratio"]),
             ratio(group["max_ratio"])});
}

}  // namespace

Json to_json(const InferenceValidation& validation) {
  Json document = to_json(validation.stated);
  Bounds all;
  std::vector<std::pair<std::string, Bounds>> groups;
  Json rows = Json::array();
  for (const ThroughputBound& bound : validation.bounds) {
    all.push_back(&bound);
    const auto found =
        std::ranges::find(groups, bound.group, &std::pair<std::string, Bounds>::first);
    if (found == groups.end()) {
      groups.push_back({bound.group, {&bound}});
    } else {
      found->second.push_back(&bound);
    }
    rows.push_back(row_json(bound));
  }
  Json upper = summary_of(all);
  upper["groups"] = Json::array();
  for (const auto& [name, bounds] : groups) {
    Json group{{"name", name}};
    group.update(summary_of(bounds));
    upper["groups"].push_back(group);
  }
  upper["rows"] = rows;
  document["upper_bound"] = upper;
  return document;
}

void print_inference(const Json& document, std::ostream& out) {
  print_validation(document, out);
  const Json& upper = document["upper_bound"];
  TextTable table({{"no batch stated: published against the best batch", Align::left},
                   {"priced/rows"},
                   {"at or under"},
                   {"median"},
                   {"largest"}});
  for (const Json& group : upper["groups"]) {
    add_bound(table, group["name"].get<std::string>(), group);
  }
  add_bound(table, "all", upper);
  out << '\n';
  table.print(out);
}

}  // namespace forerun
