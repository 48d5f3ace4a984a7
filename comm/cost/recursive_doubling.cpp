#include "comm/cost/recursive_doubling.hpp"

#include "comm/cost/group_placement.hpp"
#include "units/unit.hpp"

namespace forerun {

Traffic recursive_doubling_traffic(Bytes payload, std::int64_t ranks) {
  if (ranks <= 1) {
    return {};
  }
  return {ceil_log2(ranks), ceil_log2(ranks) * payload};
}

Seconds recursive_doubling_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const Bytes payload = static_cast<double>(key.bytes) * unit::byte;
  Seconds time;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    const double steps = ceil_log2(ceil_div(level.joined, level.left));
    time += steps * (level.latency + payload / level.rank_bandwidth);
  });
  return time;
}

}  // namespace forerun
