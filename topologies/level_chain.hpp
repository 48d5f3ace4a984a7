// Nested groups of ranks that measured distances tell apart: the search behind find_levels.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "topologies/linkage.hpp"

namespace forerun {

/// Groups within groups, finest first.
using Chain = std::vector<Partition>;

/// The distances of the pairs that each level of the chain joins first; one list more than
/// partitions: the pairs that none of them joins.
[[nodiscard]] std::vector<std::vector<double>> distances_by_level(const Chain& chain,
                                                                  std::span<const RankEdge> edges);

/// How many levels of the chain lie inside the first that joins the two ranks.
[[nodiscard]] std::size_t level_of(const Chain& chain, std::int64_t first, std::int64_t second);

/// The share of comparisons between a number of `near` and one of `far` in which `far` is larger;
/// equal ones count half. One where a list is empty.
[[nodiscard]] double share_in_order(const std::vector<double>& near,
                                    const std::vector<double>& far);

/// What tells levels from noise (find_levels): logarithm of the least factor between the medians of
/// neighbouring levels, robust deviations between them, share of comparisons in order.
struct Separation {
  double least_distance = 0.0;
  double deviations = 3.0;
  double in_order = 0.95;
};

/// The partitions whose pairs, inside and outside, are apart by `separation`: from the gaps between
/// heights of average linkage over `edges`, dropping the weakest until all of them hold. Neither
/// the single ranks nor the whole is among them.
[[nodiscard]] Chain separated_partitions(std::int64_t ranks,
                                         std::span<const RankEdge> edges,
                                         const Separation& separation);

}  // namespace forerun
