// Order statistics and a sum that does not depend on who drew what.
#include "estimator/forecast/summary.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace forerun {

double pairwise_sum(std::span<const double> values) {
  constexpr std::size_t leaf = 256;
  if (values.size() <= leaf) {
    return std::accumulate(values.begin(), values.end(), 0.0);
  }
  const std::size_t half = values.size() / 2;
  return pairwise_sum(values.first(half)) + pairwise_sum(values.subspan(half));
}

Summary summarise(std::vector<double> draws) {
  const auto count = static_cast<double>(draws.size());
  const double mean = pairwise_sum(draws) / count;
  constexpr std::array<double, 5> levels = {0.05, 0.25, 0.5, 0.75, 0.95};
  std::array<double, 5> quantiles{};
  auto from = draws.begin();
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const auto rank = static_cast<std::ptrdiff_t>(std::ceil(levels[i] * count)) - 1;
    const auto place = draws.begin() + std::max<std::ptrdiff_t>(rank, 0);
    // What lies before the previous quantile is already smaller.
    std::nth_element(from, place, draws.end());
    quantiles[i] = *place;
    from = place;
  }
  return {.p5 = quantiles[0],
          .p25 = quantiles[1],
          .p50 = quantiles[2],
          .p75 = quantiles[3],
          .p95 = quantiles[4],
          .mean = mean};
}

Summary scaled(const Summary& summary, double factor) {
  return {.p5 = summary.p5 * factor,
          .p25 = summary.p25 * factor,
          .p50 = summary.p50 * factor,
          .p75 = summary.p75 * factor,
          .p95 = summary.p95 * factor,
          .mean = summary.mean * factor};
}

}  // namespace forerun
