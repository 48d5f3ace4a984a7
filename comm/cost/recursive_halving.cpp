#include "comm/cost/recursive_halving.hpp"

#include <algorithm>
#include <bit>

#include "comm/cost/group_placement.hpp"
#include "units/integer.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Messages and bytes, in tensors, one after another, by which the ranks beyond the last power of
// two hand their part to a neighbour and get the result: a half to and fro and all at the end of an
// all-reduce, all and then a share for the parts of a sum.
Traffic folding_traffic(Collective op, Bytes payload, std::int64_t ranks) {
  if (std::has_single_bit(static_cast<std::uint64_t>(ranks))) {
    return {};
  }
  return op == Collective::all_reduce
             ? Traffic{3.0, 2.0 * payload}
             : Traffic{2.0, (1.0 + 1.0 / static_cast<double>(ranks)) * payload};
}

// Those that halve: the last power of two. Over nodes, where the others do not leave as many on
// each, all of them are counted.
GroupShape halving_group(GroupShape group) {
  const auto power =
      static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(group.ranks)));
  const std::int64_t nodes =
      ceil_div(group.ranks, std::clamp<std::int64_t>(group.ranks_per_node, 1, group.ranks));
  if (power % nodes == 0) {
    group = {power, power / nodes, group.concurrent};
  }
  return group;
}

}  // namespace

Traffic recursive_halving_traffic(Collective op, Bytes payload, std::int64_t ranks) {
  if (ranks <= 1) {
    return {};
  }
  const double all_but_own = static_cast<double>(ranks - 1) / static_cast<double>(ranks);
  return {passes_of(op) * ceil_log2(ranks), passes_of(op) * all_but_own * payload};
}

Seconds recursive_halving_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const Bytes payload = static_cast<double>(key.bytes) * unit::byte;
  const Traffic folding = folding_traffic(key.op, payload, key.group.ranks);
  Seconds time;
  Seconds folded;  // between neighbours, over the links that they have
  for_each_crossing(halving_group(key.group), levels, [&](const Crossing& level) {
    const double steps = ceil_log2(ceil_div(level.joined, level.left));
    const Bytes wire = payload / level.members * (1.0 - 1.0 / fan_in(level));
    time += steps * level.latency + wire / level.rank_bandwidth;
    if (folded == Seconds()) {
      folded = folding.steps * level.latency + folding.wire / level.rank_bandwidth;
    }
  });
  return passes_of(key.op) * time + folded;
}

}  // namespace forerun
