#include "comm/cost/bruck.hpp"

#include "comm/cost/group_placement.hpp"
#include "units/unit.hpp"

namespace forerun {

Traffic bruck_traffic(Collective op, Bytes payload, std::int64_t ranks) {
  if (ranks <= 1) {
    return {};
  }
  const double rounds = ceil_log2(ranks);
  if (op == Collective::all_to_all) {
    return {rounds, 0.5 * rounds * payload};
  }
  return {rounds, static_cast<double>(ranks - 1) / static_cast<double>(ranks) * payload};
}

Seconds bruck_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const Bytes payload = static_cast<double>(key.bytes) * unit::byte;
  Seconds time;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    const double rounds = ceil_log2(ceil_div(level.joined, level.left));
    // All-gather: what a rank holds grows from 1/joined of the tensor to 1/left of it.
    const double gathered =
        1.0 / static_cast<double>(level.left) - 1.0 / static_cast<double>(level.joined);
    const Bytes wire = (key.op == Collective::all_to_all ? 0.5 * rounds : gathered) * payload;
    time += rounds * level.latency + wire / level.rank_bandwidth;
  });
  return time;
}

}  // namespace forerun
