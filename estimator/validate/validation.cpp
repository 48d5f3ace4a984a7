#include "estimator/validate/validation.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/validate/quantile.hpp"
#include "units/rank_correlation.hpp"
#include "units/text_table.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

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
          {"coverage", known(statistics.coverage)},
          {"half_width", known(statistics.half_width)},
          {"without_host",
           {{"mape", known(statistics.mape_without_host)},
            {"bias", known(statistics.bias_without_host)},
            {"p90", known(statistics.p90_without_host)},
            {"max", known(statistics.max_without_host)},
            {"spearman", known(statistics.spearman_without_host)}}}};
}

Json memory_json(const MemoryComparison& memory) {
  const auto bytes = [](const std::optional<Bytes>& value) {
    return value ? Json(value->in(unit::byte)) : Json(nullptr);
  };
  return {{"published_bytes", bytes(memory.published)},
          {"predicted_bytes", bytes(memory.predicted)},
          {"ran_out", memory.ran_out},
          {"called_feasible", memory.is_called_feasible}};
}

Json row_json(const ValidationRow& row) {
  Json json{{"id", row.id},
            {"groups", row.groups},
            {"published_s", row.published ? Json(row.published->in(unit::second)) : Json(nullptr)},
            {"predicted_s", nullptr},
            {"predicted_without_host_s", nullptr},
            {"error", nullptr},
            {"band_s", nullptr},
            {"priced", is_priced(row)},
            {"tier", row.tier},
            {"skip_reason", row.skip_reason}};
  if (is_priced(row)) {
    const ErrorBand band = band_of(row);
    json["predicted_s"] = row.predicted->in(unit::second);
    json["predicted_without_host_s"] =
        row.predicted_without_host.value_or(*row.predicted).in(unit::second);
    json["error"] = *row.predicted / *row.published - 1.0;
    json["band_s"] = {band.low.in(unit::second), band.high.in(unit::second)};
  }
  if (!row.layout.empty()) {
    json["layout"] = row.layout;
    json["published_from"] = row.published_from;
  }
  json["assumed"] = row.assumed;
  if (row.memory) {
    json["memory"] = memory_json(*row.memory);
  }
  return json;
}

void add_line(TextTable& table, const std::string& name, const Json& statistics) {
  const auto percent = [&](const char* key, const char* format = "{:.1f}") {
    return statistics[key].is_null()
               ? "-"
               : fmt::format(fmt::runtime(format), 100.0 * statistics[key].get<double>());
  };
  table.add({name,
             fmt::format("{}/{}",
                         statistics["priced"].get<std::int64_t>(),
                         statistics["total"].get<std::int64_t>()),
             percent("mape"),
             percent("bias", "{:+.1f}"),
             percent("p90"),
             percent("max"),
             percent("coverage", "{:.0f}")});
}

}  // namespace

bool is_priced(const ValidationRow& row) {
  return row.predicted && row.published;
}

ErrorBand band_of(const ValidationRow& row) {
  return row.band ? *row.band
                  : band_around(*row.predicted, band_of_mean_error * row.relative_error);
}

namespace {

/// Errors of one way to predict.
struct Errors {
  std::vector<double> published;
  std::vector<double> predicted;
  std::vector<double> sizes;
  double sum = 0.0;

  void add(Seconds truth, Seconds prediction) {
    const double error = prediction / truth - 1.0;
    sum += error;
    sizes.push_back(std::abs(error));
    published.push_back(truth.in(unit::second));
    predicted.push_back(prediction.in(unit::second));
  }

  [[nodiscard]] double mean() const {
    return std::accumulate(sizes.begin(), sizes.end(), 0.0) / count();
  }

  [[nodiscard]] double count() const { return static_cast<double>(sizes.size()); }
};

}  // namespace

ErrorStatistics statistics_of(const std::vector<const ValidationRow*>& rows) {
  ErrorStatistics statistics;
  statistics.total = std::ssize(rows);
  Errors errors;
  Errors without_host;
  std::vector<double> widths;
  double inside = 0.0;
  for (const ValidationRow* row : rows) {
    if (!is_priced(*row)) {
      continue;
    }
    errors.add(*row->published, *row->predicted);
    without_host.add(*row->published, row->predicted_without_host.value_or(*row->predicted));
    const ErrorBand band = band_of(*row);
    inside += *row->published >= band.low && *row->published <= band.high ? 1.0 : 0.0;
    widths.push_back((band.high - band.low) / (2.0 * *row->predicted));
  }
  statistics.priced = std::ssize(errors.sizes);
  if (errors.sizes.empty()) {
    return statistics;
  }
  statistics.mape = errors.mean();
  statistics.bias = errors.sum / errors.count();
  statistics.p90 = quantile_by_rank(errors.sizes, 0.9);
  statistics.max = std::ranges::max(errors.sizes);
  statistics.spearman = spearman(errors.published, errors.predicted).value_or(0.0);
  statistics.mape_without_host = without_host.mean();
  statistics.bias_without_host = without_host.sum / without_host.count();
  statistics.p90_without_host = quantile_by_rank(without_host.sizes, 0.9);
  statistics.max_without_host = std::ranges::max(without_host.sizes);
  statistics.spearman_without_host =
      spearman(without_host.published, without_host.predicted).value_or(0.0);
  statistics.coverage = inside / errors.count();
  std::ranges::sort(widths);
  statistics.half_width = widths[widths.size() / 2];
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

namespace {

void print_groups(const Json& document, std::string_view title, std::ostream& out) {
  TextTable table({{std::string(title), Align::left},
                   {"priced/rows"},
                   {"error\n%"},
                   {"bias\n%"},
                   {"p90\n%"},
                   {"max\n%"},
                   {"in band\n%"}});
  for (const Json& group : document["groups"]) {
    add_line(table, group["name"].get<std::string>(), group);
  }
  add_line(table, "all", document);
  table.print(out);
}

}  // namespace

void print_validation(const Json& document, std::ostream& out) {
  print_groups(document, "left out, from the rest of its table", out);
  if (document.contains("catalog")) {
    fmt::print(out, "\n");
    print_groups(document["catalog"], "priced by the catalog's profile of its device", out);
  }
}

}  // namespace forerun
