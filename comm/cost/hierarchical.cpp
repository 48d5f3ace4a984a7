#include "comm/cost/hierarchical.hpp"

#include <algorithm>

#include "comm/cost/group_placement.hpp"
#include "units/unit.hpp"

namespace forerun {

HierarchicalParts hierarchical_parts(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const double passes = key.op == Collective::all_reduce ? 2.0 : 1.0;
  const Bytes payload = static_cast<double>(key.bytes) * unit::byte;
  HierarchicalParts parts;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    const double domains = fan_in(level);
    const Bytes wire = payload / level.members * (1.0 - 1.0 / domains);
    Seconds& part = level.leaves_node ? parts.between : parts.inside;
    part += passes * ((domains - 1.0) * level.latency + wire / level.rank_bandwidth);
  });
  return parts;
}

Seconds hierarchical_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  return hierarchical_time(hierarchical_parts(key, levels));
}

Seconds hierarchical_time(const HierarchicalParts& parts) {
  if (!(parts.between > Seconds())) {
    return parts.inside;
  }
  return std::max(parts.inside, parts.between) / hierarchical_efficiency;
}

}  // namespace forerun
