// Recursive halving and doubling: half of what is left goes to the partner in every step.
#pragma once

#include <span>

#include "comm/collective_key.hpp"
#include "comm/cost/traffic.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// Of n ranks and S bytes: reduce-scatter by halving and all-gather by doubling take ceil(log2 n)
/// steps and (n-1)/n S each, an all-reduce both (Rabenseifner 2004; modelling.md 3.1). The extra
/// steps of a number of ranks that is no power of two are in the time only.
[[nodiscard]] Traffic recursive_halving_traffic(Collective op, Bytes payload, std::int64_t ranks);

/// The nearest partner is halved with first, so that a domain of m ranks has S/m each left for the
/// level above it: sum over levels of steps * alpha + S/m (1 - 1/f) / W, f domains joined into one.
/// Ranks beyond the last power of two hand their part to a neighbour first and get the result last.
[[nodiscard]] Seconds recursive_halving_time(const CollectiveKey& key,
                                             std::span<const LinkLevel> levels);

}  // namespace forerun
