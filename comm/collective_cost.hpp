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
/// fastest: the fixed decisions of coll/tuned up to 4.0 (coll_tuned_decision_fixed.c). Those of 4.1
/// differ: an all-reduce of 8 KiB and more over 4 to 31 ranks is Rabenseifner's halving and
/// doubling, which crosses slow links less often than the ring but with all ranks at once.
[[nodiscard]] Seconds mpi_collective_time(const CollectiveKey& key,
                                          std::span<const LinkLevel> levels);

}  // namespace forerun
