// Quantiles and mean of many draws.
#pragma once

#include <span>
#include <vector>

namespace forerun {

struct Summary {
  double p5;
  double p25;
  double p50;
  double p75;
  double p95;
  double mean;
};

/// Exact quantiles by rank (the smallest value with at least that share at or below it) and the
/// mean, summed pairwise in the order of the draws: the same bytes however the draws were split.
/// Takes its copy to reorder it; `draws` is not empty.
[[nodiscard]] Summary summarise(std::vector<double> draws);

/// Shares of draws between edges that are as far apart in logarithm; with `below` and `above`, what
/// lies outside, they sum to 1.
struct Histogram {
  std::vector<double> edges;   ///< one more than shares, powers of a root of ten
  std::vector<double> shares;  ///< of the draws from an edge, itself included, to the next
  double below;
  double above;
};

/// At most 60 bins, from the same quantiles as `summary`: over the draws, or over twice the way in
/// logarithm from the median to the 5th and to the 95th percentile where they go beyond. Draws are
/// finite, above 0 and at least one.
[[nodiscard]] Histogram histogram(std::span<const double> draws, const Summary& summary);

/// Every member times `factor` > 0.
[[nodiscard]] Summary scaled(const Summary& summary, double factor);

/// Sum by halves, in a tree fixed by the length alone.
[[nodiscard]] double pairwise_sum(std::span<const double> values);

}  // namespace forerun
