#include "comm/cost/recursive_halving.hpp"

#include "comm/cost/group_placement.hpp"
#include "units/unit.hpp"

namespace forerun {

Traffic recursive_halving_traffic(Collective op, Bytes payload, std::int64_t ranks) {
  if (ranks <= 1) {
    return {};
  }
  const double all_but_own = static_cast<double>(ranks - 1) / static_cast<double>(ranks);
  return {passes_of(op) * ceil_log2(ranks), passes_of(op) * all_but_own * payload};
}

Seconds recursive_halving_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const Bytes payload = static_cast<double>(key.bytes) * unit::byte;
  Seconds time;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    const double steps = ceil_log2(ceil_div(level.joined, level.left));
    const Bytes wire = payload / level.members * (1.0 - 1.0 / fan_in(level));
    time += steps * level.latency + wire / level.rank_bandwidth;
  });
  return passes_of(key.op) * time;
}

}  // namespace forerun
