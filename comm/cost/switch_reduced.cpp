#include "comm/cost/switch_reduced.hpp"

#include <algorithm>

#include "comm/cost/group_placement.hpp"
#include "units/unit.hpp"

namespace forerun {

Traffic switch_reduced_traffic(Bytes payload, std::int64_t ranks) {
  if (ranks <= 1) {
    return {};
  }
  return {2.0, static_cast<double>(ranks + 1) / static_cast<double>(ranks) * payload};
}

Seconds switch_reduced_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const Bytes payload = static_cast<double>(key.bytes) * unit::byte;
  Seconds latency;
  Seconds transfer;
  bool reduces = false;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    const double domains = fan_in(level);
    const double passes = level.reduces ? 1.0 + 1.0 / domains : 2.0 * (1.0 - 1.0 / domains);
    const double steps = level.reduces ? 2.0 : 2.0 * (domains - 1.0);
    latency += steps * level.latency;
    transfer = std::max(transfer, passes * payload / (level.members * level.rank_bandwidth));
    reduces = reduces || level.reduces;
  });
  return reduces ? latency + transfer : Seconds::infinite();
}

}  // namespace forerun
