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

namespace {

constexpr std::size_t most_bins = 60;

// Edges at 10^(k / per_decade) around [low, high], for the finest of a few that gives few enough.
std::vector<double> log_edges(double low, double high) {
  constexpr std::array<double, 9> per_decade = {200.0, 100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.1};
  for (const double steps : per_decade) {
    const double first = std::floor(steps * std::log10(low));
    const double last = std::floor(steps * std::log10(high)) + 1.0;
    if (last - first <= static_cast<double>(most_bins) || steps == per_decade.back()) {
      std::vector<double> edges;
      const auto bins = static_cast<int>(last - first);
      for (int i = 0; i <= bins; ++i) {
        edges.push_back(std::pow(10.0, (first + i) / steps));
      }
      return edges;
    }
  }
  return {};
}

}  // namespace

Histogram histogram(std::span<const double> draws, const Summary& summary) {
  const auto [least, most] = std::ranges::minmax_element(draws);
  const double low = summary.p50 * std::pow(summary.p5 / summary.p50, 2.0);
  const double high = summary.p50 * std::pow(summary.p95 / summary.p50, 2.0);
  Histogram result{.edges = log_edges(std::max(*least, low), std::min(*most, high)),
                   .shares = {},
                   .below = 0.0,
                   .above = 0.0};
  std::vector<std::size_t> counts(result.edges.size() + 1);
  for (const double draw : draws) {
    const auto above = std::ranges::upper_bound(result.edges, draw);
    ++counts[static_cast<std::size_t>(above - result.edges.begin())];
  }
  const auto share = [&](std::size_t count) {
    return static_cast<double>(count) / static_cast<double>(draws.size());
  };
  result.below = share(counts.front());
  result.above = share(counts.back());
  for (std::size_t bin = 1; bin + 1 < counts.size(); ++bin) {
    result.shares.push_back(share(counts[bin]));
  }
  return result;
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
