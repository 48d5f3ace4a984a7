// Exponential trends and interpolation in projection tables.
#include "estimator/forecast/trend.hpp"

#include <algorithm>
#include <cmath>

#include "estimator/forecast/scenario.hpp"
#include "units/unit.hpp"

namespace forerun {

Flops growth(const Trend& trend, double year) {
  return trend.anchor * std::pow(trend.factor_per_year, year - trend.anchor_year);
}

double crossing(const Trend& trend, Flops target) {
  return trend.anchor_year + std::log(target / trend.anchor) / std::log(trend.factor_per_year);
}

Seconds doubling_time(double factor_per_year) {
  return std::log(2.0) / std::log(factor_per_year) * unit::year;
}

ProjectionRow projected_row(std::span<const ProjectionRow> rows, double year) {
  const auto right = std::ranges::lower_bound(rows, year, {}, &ProjectionRow::year);
  if (right == rows.end()) {
    return rows.back();
  }
  if (right == rows.begin() || right->year == year) {
    return *right;
  }
  const ProjectionRow& left = *std::prev(right);
  const double part = (year - left.year) / (right->year - left.year);
  return {.year = year,
          .low = std::lerp(left.low, right->low, part),
          .median = std::lerp(left.median, right->median, part),
          .high = std::lerp(left.high, right->high, part)};
}

ProjectionRow besiroglu_row(double year) {
  const Scenario scenario = scenario_named("besiroglu-2022");
  check_year(scenario, year);
  return projected_row(scenario.projection, year);
}

}  // namespace forerun
