// Pairwise exchange: all-to-all for large messages, and a single message between two ranks.
#pragma once

#include <span>

#include "comm/collective_key.hpp"
#include "comm/cost/traffic.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// All-to-all of a send buffer of S bytes over n ranks: n-1 messages of S/n (modelling.md 3.1).
[[nodiscard]] Traffic pairwise_traffic(Bytes payload, std::int64_t ranks);

/// Of a rank's buffer (r-1)/n stays in the node and (n-m)/n leaves a domain of m members; both at
/// once, so the slower level decides (modelling.md 3.2): sum(messages * alpha) + max over levels.
[[nodiscard]] Seconds pairwise_time(const CollectiveKey& key, std::span<const LinkLevel> levels);

/// alpha + S / W over the outermost level that the group spans: the pair that is farthest apart.
[[nodiscard]] Seconds send_recv_time(const CollectiveKey& key, std::span<const LinkLevel> levels);

}  // namespace forerun
