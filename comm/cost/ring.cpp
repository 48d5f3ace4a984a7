#include "comm/cost/ring.hpp"

#include <algorithm>

#include "comm/cost/group_placement.hpp"
#include "units/unit.hpp"

namespace forerun {

Traffic ring_traffic(Collective op, Bytes payload, std::int64_t ranks) {
  if (ranks <= 1) {
    return {};
  }
  const auto others = static_cast<double>(ranks - 1);
  const double share = op == Collective::broadcast ? 1.0 : others / static_cast<double>(ranks);
  return {passes_of(op) * others, passes_of(op) * share * payload};
}

Seconds ring_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const Bytes payload = static_cast<double>(key.bytes) * unit::byte;
  const Bytes wire = ring_traffic(key.op, payload, key.group.ranks).wire;
  Seconds latency;
  Seconds transfer;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    latency += passes_of(key.op) * static_cast<double>(level.joined - level.left) * level.latency;
    transfer = std::max(transfer, wire / (level.rank_bandwidth * level.members));
  });
  return latency + transfer;
}

}  // namespace forerun
