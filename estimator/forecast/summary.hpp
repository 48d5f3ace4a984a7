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

/// Every member times `factor` > 0.
[[nodiscard]] Summary scaled(const Summary& summary, double factor);

/// Sum by halves, in a tree fixed by the length alone.
[[nodiscard]] double pairwise_sum(std::span<const double> values);

}  // namespace forerun
