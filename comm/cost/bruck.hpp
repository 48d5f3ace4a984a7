// Bruck's algorithm: all-to-all and all-gather of small messages in logarithmically many rounds.
#pragma once

#include <span>

#include "comm/collective_key.hpp"
#include "comm/cost/traffic.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// Of n ranks and S bytes, in ceil(log2 n) rounds (Bruck et al. 1997; modelling.md 3.1): all-to-all
/// sends half the buffer in each, all-gather (n-1)/n S in all of them.
[[nodiscard]] Traffic bruck_traffic(Collective op, Bytes payload, std::int64_t ranks);

/// Rounds that stay inside a domain come first: sum over levels of rounds * alpha + wire / W.
[[nodiscard]] Seconds bruck_time(const CollectiveKey& key, std::span<const LinkLevel> levels);

}  // namespace forerun
