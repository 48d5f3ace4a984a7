#include "comm/cost/pairwise.hpp"

#include <algorithm>

#include "comm/cost/group_placement.hpp"
#include "units/unit.hpp"

namespace forerun {

Traffic pairwise_traffic(Bytes payload, std::int64_t ranks) {
  if (ranks <= 1) {
    return {};
  }
  const auto others = static_cast<double>(ranks - 1);
  return {others, others / static_cast<double>(ranks) * payload};
}

Seconds pairwise_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const auto ranks = static_cast<double>(key.group.ranks);
  const Bytes one_block = static_cast<double>(key.bytes) / ranks * unit::byte;
  Seconds latency;
  Seconds transfer;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    // Peers that are first met on this level, and those behind it.
    const double domain_after = ranks / static_cast<double>(level.left);
    const double first_met = domain_after - level.members;
    const double beyond = level.leaves_node ? ranks - level.members
                                            : first_met + level.relayed * (ranks - domain_after);
    latency += first_met * level.latency;
    transfer = std::max(transfer, beyond * one_block / level.spread_bandwidth);
  });
  return latency + transfer;
}

Seconds send_recv_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const Bytes message = static_cast<double>(key.bytes) * unit::byte;
  Seconds time;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    time = level.latency + message / level.pair_bandwidth;
  });
  return time;
}

}  // namespace forerun
