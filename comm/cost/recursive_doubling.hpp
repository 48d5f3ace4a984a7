// Recursive doubling: the whole vector goes to a partner twice as far away in every step.
#pragma once

#include <span>

#include "comm/collective_key.hpp"
#include "comm/cost/traffic.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// All-reduce of S bytes over n ranks, for small messages: ceil(log2 n) steps of S each
/// (Thakur, Rabenseifner and Gropp 2005, section 4.4; modelling.md 3.1). The two extra steps of a
/// number of ranks that is no power of two are not counted.
[[nodiscard]] Traffic recursive_doubling_traffic(Bytes payload, std::int64_t ranks);

/// Steps stay inside a domain as long as they can: sum over levels of steps * (alpha + S / W).
[[nodiscard]] Seconds recursive_doubling_time(const CollectiveKey& key,
                                              std::span<const LinkLevel> levels);

}  // namespace forerun
