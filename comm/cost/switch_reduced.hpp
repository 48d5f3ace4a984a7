// Reduction in the switch: NVLink SHARP inside a node, SHARP in the network.
#pragma once

#include <span>

#include "comm/collective_key.hpp"
#include "comm/cost/traffic.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// All-reduce of S bytes over n ranks: up to the switch and down, two steps. A rank sends its S,
/// and multicasts the 1/n that it has reduced: (n+1)/n S, one pass instead of two, an upper gain
/// of 2(n-1)/(n+1) over the ring (modelling.md 3.1).
[[nodiscard]] Traffic switch_reduced_traffic(Bytes payload, std::int64_t ranks);

/// All-reduce where at least one level that the group spans reduces in its switches; infinite where
/// none does. A level reduces what the levels below have scattered, S/m in a domain of m ranks, and
/// joins f domains into one: in its switches S/m (f+1)/f bytes and two steps, else round a ring
/// 2 (f-1)/f S/m and 2 (f-1) steps. Sum of the latencies + the slowest level's transfer.
[[nodiscard]] Seconds switch_reduced_time(const CollectiveKey& key,
                                          std::span<const LinkLevel> levels);

}  // namespace forerun
