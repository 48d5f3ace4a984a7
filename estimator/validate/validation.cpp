#include "estimator/validate/validation.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

// Ranks from 1; equal values share the mean of their ranks.
std::vector<double> ranks_of(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    while (last + 1 < order.size() && values[order[last + 1]] == values[order[first]]) {
      ++last;
    }
    for (std::size_t i = first; i <= last; ++i) {
      ranks[order[i]] = 0.5 * static_cast<double>(first + last) + 1.0;
    }
    first = last + 1;
  }
  return ranks;
}

// Pearson's correlation of the ranks; 0 where all ranks are equal.
double spearman(const std::vector<double>& a, const std::vector<double>& b) {
  const auto x = ranks_of(a);
  const auto y = ranks_of(b);
  const double mean = 0.5 * static_cast<double>(x.size() + 1);
  double xy = 0.0;
  double xx = 0.0;
  double yy = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  return xx > 0.0 && yy > 0.0 ? xy / std::sqrt(xx * yy) : 0.0;
}

Json statistics_json(const ErrorStatistics& statistics) {
  const auto known = [&](double value) {
    return statistics.priced > 0 ? Json(value) : Json(nullptr);
  };
  return {{"priced", statistics.priced},
          {"total", statistics.total},
          {"mape", known(statistics.mape)},
          {"bias", known(statistics.bias)},
          {"p90", known(statistics.p90)},
          {"max", known(statistics.max)},
          {"spearman", known(statistics.spearman)},
          {"coverage", known(statistics.coverage)}};
}

Json row_json(const ValidationRow& row) {
  Json json{{"id", row.id},
            {"groups", row.groups},
            {"published_s", row.published.in(unit::second)},
            {"predicted_s", nullptr},
            {"error", nullptr},
            {"band_s", nullptr},
            {"priced", row.predicted.has_value()},
            {"tier", row.tier},
            {"skip_reason", row.skip_reason}};
  if (row.predicted) {
    const double predicted = row.predicted->in(unit::second);
    const double half = band_of_mean_error * row.relative_error * predicted;
    json["predicted_s"] = predicted;
    json["error"] = *row.predicted / row.published - 1.0;
    json["band_s"] = {std::max(0.0, predicted - half), predicted + half};
  }
  return json;
}

void print_line(std::ostream& out, const std::string& name, const Json& statistics) {
  if (statistics["mape"].is_null()) {
    fmt::print(out,
               "{:<58} {:>6}/{:<6} not priced\n",
               name,
               statistics["priced"].get<std::int64_t>(),
               statistics["total"].get<std::int64_t>());
    return;
  }
  fmt::print(out,
             "{:<58} {:>6}/{:<6}{:>6.1f} %{:>+7.1f} %{:>6.1f} %{:>7.1f} %{:>6.0f} %\n",
             name,
             statistics["priced"].get<std::int64_t>(),
             statistics["total"].get<std::int64_t>(),
             100.0 * statistics["mape"].get<double>(),
             100.0 * statistics["bias"].get<double>(),
             100.0 * statistics["p90"].get<double>(),
             100.0 * statistics["max"].get<double>(),
             100.0 * statistics["coverage"].get<double>());
}

}  // namespace

ErrorStatistics statistics_of(const std::vector<const ValidationRow*>& rows) {
  ErrorStatistics statistics;
  statistics.total = std::ssize(rows);
  std::vector<double> published;
  std::vector<double> predicted;
  std::vector<double> sizes;
  double inside = 0.0;
  for (const ValidationRow* row : rows) {
    if (!row->predicted) {
      continue;
    }
    const double error = *row->predicted / row->published - 1.0;
    const double half = band_of_mean_error * row->relative_error * *row->predicted / row->published;
    inside += std::abs(error) <= half ? 1.0 : 0.0;
    statistics.bias += error;
    sizes.push_back(std::abs(error));
    published.push_back(row->published.in(unit::second));
    predicted.push_back(row->predicted->in(unit::second));
  }
  statistics.priced = std::ssize(sizes);
  if (sizes.empty()) {
    return statistics;
  }
  const auto count = static_cast<double>(sizes.size());
  statistics.bias /= count;
  statistics.coverage = inside / count;
  statistics.mape = std::accumulate(sizes.begin(), sizes.end(), 0.0) / count;
  statistics.spearman = spearman(published, predicted);
  std::ranges::sort(sizes);
  statistics.max = sizes.back();
  statistics.p90 = sizes[static_cast<std::size_t>(0.9 * (count - 1.0))];
  return statistics;
}

std::vector<std::pair<std::string, ErrorStatistics>> groups_of(const Validation& validation) {
  std::vector<std::string> names;
  std::map<std::string, std::vector<const ValidationRow*>> members;
  for (const ValidationRow& row : validation.rows) {
    for (const std::string& group : row.groups) {
      auto& rows = members[group];
      if (rows.empty()) {
        names.push_back(group);
      }
      rows.push_back(&row);
    }
  }
  std::vector<std::pair<std::string, ErrorStatistics>> groups;
  groups.reserve(names.size());
  for (const std::string& name : names) {
    groups.emplace_back(name, statistics_of(members[name]));
  }
  return groups;
}

Json to_json(const Validation& validation) {
  std::vector<const ValidationRow*> all;
  Json rows = Json::array();
  for (const ValidationRow& row : validation.rows) {
    all.push_back(&row);
    rows.push_back(row_json(row));
  }
  Json document{{"kind", "validation"}};
  document.update(statistics_json(statistics_of(all)));
  document["groups"] = Json::array();
  for (const auto& [name, statistics] : groups_of(validation)) {
    Json group{{"name", name}};
    group.update(statistics_json(statistics));
    document["groups"].push_back(std::move(group));
  }
  document["rows"] = std::move(rows);
  return document;
}

void print_validation(const Json& document, std::ostream& out) {
  fmt::print(out,
             "{:<58} {:>6}/{:<6}{:>8}{:>9}{:>8}{:>9}{:>8}\n",
             "",
             "priced",
             "rows",
             "error",
             "bias",
             "p90",
             "max",
             "in band");
  for (const Json& group : document["groups"]) {
    print_line(out, group["name"].get<std::string>(), group);
  }
  print_line(out, "all", document);
}

}  // namespace forerun
