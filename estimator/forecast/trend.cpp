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

double moore_per_year() {
  constexpr double doublings_per_year = 12.0 / 20.0;
  return std::exp2(doublings_per_year);
}

Reversion besiroglu_reversion(double reversion_year) {
  constexpr double doublings_per_year = 2.0;
  return {.anchor = std::pow(10.0, 24.1) * unit::flop,
          .anchor_year = slowing_since,
          .fast_per_year = std::exp2(doublings_per_year),
          .slow_per_year = moore_per_year(),
          .reversion_year = reversion_year};
}

Flops reverting_growth(const Reversion& reversion, double year) {
  const double slow = std::log(reversion.slow_per_year);
  const double log_ratio = std::log(std::log(reversion.fast_per_year) / slow);
  const double width = reversion.reversion_year - slowing_since;
  // g_fast^w g_slow^(1 - w)
  const auto rate = [&](double at) {
    const double since = (at - slowing_since) / width;
    return slow * std::exp(log_ratio * std::exp(-0.5 * since * since));
  };
  // Simpson's rule on pieces of at most two years: 1e-5 decades by 2030.
  const double span = year - reversion.anchor_year;
  const int pieces = std::max(1, static_cast<int>(std::ceil(std::abs(span) / 2.0)));
  const double half = span / (2.0 * pieces);
  double sum = rate(reversion.anchor_year) + rate(year);
  for (int i = 1; i < 2 * pieces; ++i) {
    sum += (i % 2 == 1 ? 4.0 : 2.0) * rate(reversion.anchor_year + half * i);
  }
  return std::exp(sum * half / 3.0) * reversion.anchor;
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
