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

Reversion besiroglu_reversion(double reversion_year) {
  constexpr double doublings_per_year = 2.0;
  constexpr double slow_doublings_per_year = 12.0 / 20.0;
  return {.anchor = std::pow(10.0, 24.1) * unit::flop,
          .anchor_year = 2022.0,
          .fast_per_year = std::exp2(doublings_per_year),
          .slow_per_year = std::exp2(slow_doublings_per_year),
          .reversion_year = reversion_year};
}

Flops reverting_growth(const Reversion& reversion, double year) {
  const double fast = std::log(reversion.fast_per_year);
  const double slow = std::log(reversion.slow_per_year);
  const double width = reversion.reversion_year - reversion.anchor_year;
  const auto rate = [&](double since) {
    const double w = std::exp(-0.5 * (since / width) * (since / width));
    return std::pow(fast, w) * std::pow(slow, 1.0 - w);
  };
  // Simpson's rule: 1e-6 of the exponent for decades.
  constexpr int steps = 64;
  const double step = (year - reversion.anchor_year) / steps;
  double sum = rate(0.0) + rate(step * steps);
  for (int i = 1; i < steps; ++i) {
    sum += (i % 2 == 1 ? 4.0 : 2.0) * rate(step * i);
  }
  return std::exp(sum * step / 3.0) * reversion.anchor;
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
