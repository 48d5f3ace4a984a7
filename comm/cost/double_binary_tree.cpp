#include "comm/cost/double_binary_tree.hpp"

#include <algorithm>

#include "comm/cost/group_placement.hpp"
#include "units/unit.hpp"

namespace forerun {

Traffic double_binary_tree_traffic(Bytes payload, std::int64_t ranks) {
  if (ranks <= 1) {
    return {};
  }
  const double steps = 2.0 * ceil_log2(ranks);
  if (ranks == 2) {
    return {steps, payload};
  }
  return {steps, (ranks == 3 ? 1.5 : 2.0) * payload};
}

Seconds double_binary_tree_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const Bytes payload = static_cast<double>(key.bytes) * unit::byte;
  Seconds latency;
  Seconds transfer;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    double steps = ceil_log2(ceil_div(level.joined, level.left));
    Bytes wire = double_binary_tree_traffic(payload, level.joined).wire;
    if (!level.leaves_node) {
      const auto chain = static_cast<double>(ceil_div(level.joined, level.left));
      steps = chain - 1.0;
      wire = 2.0 * (chain - 1.0) / chain * payload;
    }
    latency += 2.0 * steps * level.latency;
    transfer = std::max(transfer, wire / (level.rank_bandwidth * level.members));
  });
  return latency + transfer / tree_bandwidth_fraction;
}

}  // namespace forerun
