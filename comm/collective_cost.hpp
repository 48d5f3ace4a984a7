// How long a collective takes, from the links it crosses: the fastest of the models in comm/cost.
#pragma once

#include <span>

#include "comm/collective_key.hpp"
#include "topologies/cluster.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Time of one collective over a group of this shape, all groups of its kind running at once.
/// Ring and tree (and reduction in switches where a level has it), pairwise and Bruck, the fastest,
/// over the levels that the group spans (modelling.md 3.1, 3.2, 3.6). `levels` innermost first;
/// zero for one rank.
[[nodiscard]] Seconds collective_time(const CollectiveKey& key, std::span<const LinkLevel> levels);

/// The same by the algorithm that Open MPI takes for the size and the group, which need not be the
/// fastest: the fixed decisions of coll/tuned in 4.1 and 5.0 (coll_tuned_decision_fixed.c).
/// Broadcasts are binomial trees, of which its choice between many comes closest. Between nodes 5.0
/// asks coll/han first, whose two-level algorithms are not modelled.
[[nodiscard]] Seconds mpi_collective_time(const CollectiveKey& key,
                                          std::span<const LinkLevel> levels);

}  // namespace forerun
