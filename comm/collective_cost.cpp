// Ring, tree, pairwise and Bruck over nested levels of links, each with its derivation.
#include "comm/collective_cost.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "units/unit.hpp"

namespace forerun {
namespace {

// One level that a group crosses: it joins `joined` domains (ranks at the innermost level, nodes
// above it) into `left` larger ones. Every domain holds `members` ranks of the group.
struct Crossing {
  Seconds latency;
  BytesPerSecond rank_bandwidth;  // of one rank of the group, one direction
  std::int64_t joined = 1;
  std::int64_t left = 1;
  double members = 1.0;
  bool leaves_node = false;
};

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

double ceil_log2(std::int64_t n) {
  return static_cast<double>(std::bit_width(static_cast<std::uint64_t>(n - 1)));
}

BytesPerSecond reached_bandwidth(const LinkLevel& level) {
  return level.bandwidth * (level.efficiency / level.oversubscription);
}

// Calls `visit(Crossing)` for each level that the group spans, innermost first. A node is what the
// first level joins; nodes of a group are taken to be neighbours. Outside the node (modelling.md
// 3.6) a group has q W / concurrent, W = rate per device, q = devices of a node, but no rank sends
// faster than its own W: W min(1, q / (concurrent * members)) each.
template <typename Visit>
void for_each_crossing(const GroupShape& group, std::span<const LinkLevel> levels, Visit visit) {
  const auto ranks = static_cast<double>(group.ranks);
  const std::int64_t together = std::clamp<std::int64_t>(group.ranks_per_node, 1, group.ranks);
  std::int64_t domains = ceil_div(group.ranks, together);
  const LinkLevel& inner = levels.front();
  if (together > 1) {
    visit(Crossing{inner.latency, reached_bandwidth(inner), group.ranks, domains, 1.0, false});
  }
  const double using_links = static_cast<double>(group.concurrent) * static_cast<double>(together);
  const double share = std::min(1.0, static_cast<double>(inner.devices) / using_links);
  for (std::size_t i = std::min<std::size_t>(1, levels.size() - 1); domains > 1; ++i) {
    const bool is_last = i + 1 == levels.size();
    const std::int64_t nested =
        i == 0 ? domains : std::max<std::int64_t>(levels[i].devices / levels[i - 1].devices, 1);
    const std::int64_t left = is_last ? 1 : ceil_div(domains, nested);
    if (left < domains) {
      visit(Crossing{levels[i].latency,
                     reached_bandwidth(levels[i]) * share,
                     domains,
                     left,
                     ranks / static_cast<double>(domains),
                     true});
    }
    domains = left;
  }
}

// Ring (modelling.md 3.1, 3.3; NCCL's flat multi-ring): passes (n-1) steps of latency, of which
// those that cross a level are as many as the domains that it joins less those that it leaves. The
// rings together carry `wire` bytes out of every rank and, because each ring enters and leaves a
// domain once, `wire` bytes out of every domain: T = sum(steps * alpha) + max over levels of
// wire / (members * W). passes = 2 for all-reduce (reduce-scatter, all-gather), else 1; a broadcast
// is the pipelined chain. NVLink and network overlap fully, as in modelling.md 3.2.
Seconds ring_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const double passes = key.op == Collective::all_reduce ? 2.0 : 1.0;
  const Bytes wire = wire_bytes(key) * unit::byte;
  Seconds latency;
  Seconds transfer;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    latency += passes * static_cast<double>(level.joined - level.left) * level.latency;
    transfer = std::max(transfer, wire / (level.rank_bandwidth * level.members));
  });
  return latency + transfer;
}

// Bytes out of one domain in a double binary tree over k domains, by half trees of N/2: a leaf
// sends N/2 up, an inner node N/2 up and N/2 to each of two children. Every domain is inner in at
// most one of the two trees: 2N; over 3 domains 3N/2 and over 2 domains N (the "doubled NIC use on
// 2 nodes and 4/3 on 3" of modelling.md 3.5).
double tree_wire_bytes(double bytes, std::int64_t domains) {
  if (domains == 2) {
    return bytes;
  }
  return domains == 3 ? 1.5 * bytes : 2.0 * bytes;
}

// NCCL's tree all-reduce (modelling.md 3.3): a chain inside the node, a double binary tree above:
// 2 [(r-1) alpha_intra + sum ceil(log2 K) alpha_inter]. The chain's load spreads over channels:
// 2 (r-1)/r N a rank. Bandwidth is 0.92 of the ring's (NCCL src/graph/tuning.cc).
Seconds tree_all_reduce_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  constexpr double tree_bandwidth_fraction = 0.92;
  const auto bytes = static_cast<double>(key.bytes);
  Seconds latency;
  Seconds transfer;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    double steps = ceil_log2(ceil_div(level.joined, level.left));
    double wire = tree_wire_bytes(bytes, level.joined);
    if (!level.leaves_node) {
      const auto chain = static_cast<double>(ceil_div(level.joined, level.left));
      steps = chain - 1.0;
      wire = 2.0 * (chain - 1.0) / chain * bytes;
    }
    latency += 2.0 * steps * level.latency;
    transfer = std::max(transfer, wire * unit::byte / (level.rank_bandwidth * level.members));
  });
  return latency + transfer / tree_bandwidth_fraction;
}

// Pairwise all-to-all (modelling.md 3.1, 3.2): n-1 messages a rank. Of its buffer N, (r-1)/n stays
// in the node, (n-m)/n leaves a domain of m members; both at once, so the slower level decides.
Seconds pairwise_all_to_all_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const auto ranks = static_cast<double>(key.group.ranks);
  const Bytes one_block = static_cast<double>(key.bytes) / ranks * unit::byte;
  Seconds latency;
  Seconds transfer;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    // Peers that are first met on this level, and those behind it.
    const double domain_after = ranks / static_cast<double>(level.left);
    const double first_met = domain_after - level.members;
    const double beyond = level.leaves_node ? ranks - level.members : first_met;
    latency += first_met * level.latency;
    transfer = std::max(transfer, beyond * one_block / level.rank_bandwidth);
  });
  return latency + transfer;
}

// Bruck all-to-all (modelling.md 3.1), small messages: ceil(log2 n) rounds of half the buffer.
Seconds bruck_all_to_all_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const Bytes half = 0.5 * static_cast<double>(key.bytes) * unit::byte;
  Seconds time;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    const double rounds = ceil_log2(ceil_div(level.joined, level.left));
    time += rounds * (level.latency + half / level.rank_bandwidth);
  });
  return time;
}

// alpha + N / W over the outermost level that the group spans: the pair that is farthest apart.
Seconds send_recv_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const Bytes message = static_cast<double>(key.bytes) * unit::byte;
  Seconds time;
  for_each_crossing(key.group, levels, [&](const Crossing& level) {
    time = level.latency + message / level.rank_bandwidth;
  });
  return time;
}

}  // namespace

Seconds collective_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  if (key.group.ranks <= 1) {
    return {};
  }
  if (levels.empty()) {
    throw std::invalid_argument("a collective of several ranks needs at least one level of links");
  }
  switch (key.op) {
    case Collective::all_reduce:
      return std::min(ring_time(key, levels), tree_all_reduce_time(key, levels));
    case Collective::all_gather:
    case Collective::reduce_scatter:
    case Collective::broadcast:
      return ring_time(key, levels);
    case Collective::all_to_all:
      return std::min(pairwise_all_to_all_time(key, levels), bruck_all_to_all_time(key, levels));
    case Collective::send_recv:
      return send_recv_time(key, levels);
  }
  return {};
}

}  // namespace forerun
