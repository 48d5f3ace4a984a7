// Measures the distances between all ranks and finds the levels of links in them.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "estimator/measure/measure.hpp"
#include "topologies/measured_topology.hpp"

namespace forerun {

/// Collective over the machine's ranks, which run on `hosts`. Pairs are measured in rounds
/// (pair_rounds), all pairs of a round at once; then the rounds that load a level most, several
/// times, and a few pairs of it alone, one after the other, while all other ranks wait. Every
/// exchange is as long as the budget allows (5 to 500 ms), and none begins once rank 0 has spent
/// `budget`. Returns the same on every rank: nothing for one rank, or when the budget ended before
/// the pairs that were measured connect all ranks. Progress goes to `progress` on rank 0.
[[nodiscard]] std::optional<MeasuredTopology> probe_topology(const Machine& machine,
                                                             const std::vector<std::string>& hosts,
                                                             Seconds budget,
                                                             std::ostream& progress);

}  // namespace forerun
