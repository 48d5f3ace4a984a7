// Which levels of links a group of ranks crosses, and what each of its ranks gets of them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <stdexcept>

#include "comm/collective_key.hpp"
#include "topologies/cluster.hpp"
#include "topologies/level_rates.hpp"
#include "units/integer.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// One level that a group crosses: it joins `joined` domains (ranks at the innermost level, nodes
/// above it) into `left` larger ones. Every domain holds `members` ranks of the group.
struct Crossing {
  Seconds latency;
  BytesPerSecond rank_bandwidth;  ///< of one rank of the group, one direction
  std::int64_t joined = 1;
  std::int64_t left = 1;
  double members = 1.0;
  bool leaves_node = false;
  BytesPerSecond spread_bandwidth;  ///< as rank_bandwidth, when every rank sends to every other
  BytesPerSecond pair_bandwidth;    ///< when it sends to one
  /// Inside a node: of the bytes that leave it for ranks with other places on their nodes, the
  /// share that a neighbour on the right rail sends on.
  double relayed = 0.0;
  bool reduces = false;  ///< switches can add up what passes
};

/// Ceiling of log2; 0 for 1.
[[nodiscard]] constexpr double ceil_log2(std::int64_t n) {
  return static_cast<double>(std::bit_width(static_cast<std::uint64_t>(n - 1)));
}

/// What large messages leave of a level's bandwidth. On rails, devices with equal place on their
/// node share switches of their own, which are not oversubscribed: rings, trees and messages to the
/// same place elsewhere stay on them, and exchanges reach the right one through the node's own
/// links
/// (`Crossing::relayed`), as NCCL's PXN does (modelling.md 3.2, 3.6).
[[nodiscard]] inline double reached_share(const LinkLevel& level) {
  return level.efficiency / (level.rails > 1 ? 1.0 : level.oversubscription);
}

/// The rates of a level between `members`, by how it is wired (level_rates.hpp), times `share`.
[[nodiscard]] inline Crossing with_rates(Crossing crossing,
                                         const LinkLevel& level,
                                         std::int64_t members,
                                         double share) {
  share *= reached_share(level);
  crossing.rank_bandwidth = share * ring_bandwidth(level, members);
  crossing.spread_bandwidth = share * all_to_all_bandwidth(level, members);
  crossing.pair_bandwidth = share * pair_bandwidth(level);
  crossing.reduces = level.in_network_reduction;
  return crossing;
}

/// Calls `visit(Crossing)` for each level that the group spans, innermost first; none for one rank.
/// A node is what the first level joins; nodes of a group are taken to be neighbours. Outside the
/// node (modelling.md 3.6) a group has q W / concurrent, W = rate per device, q = devices of a
/// node, but no rank sends faster than its own W: W min(1, q / (concurrent * members)) each.
/// Throws std::invalid_argument when several ranks have no links at all.
template <typename Visit>
void for_each_crossing(const GroupShape& group, std::span<const LinkLevel> levels, Visit visit) {
  if (group.ranks <= 1) {
    return;
  }
  if (levels.empty()) {
    throw std::invalid_argument("a collective of several ranks needs at least one level of links");
  }
  const auto ranks = static_cast<double>(group.ranks);
  const std::int64_t together = std::clamp<std::int64_t>(group.ranks_per_node, 1, group.ranks);
  std::int64_t domains = ceil_div(group.ranks, together);
  const LinkLevel& inner = levels.front();
  if (together > 1) {
    const bool has_rails = std::any_of(
        levels.begin() + 1, levels.end(), [](const LinkLevel& outer) { return outer.rails > 1; });
    const double relayed = has_rails ? 1.0 - 1.0 / static_cast<double>(together) : 0.0;
    visit(with_rates({inner.latency, {}, group.ranks, domains, 1.0, false, {}, {}, relayed},
                     inner,
                     together,
                     1.0));
  }
  const double using_links = static_cast<double>(group.concurrent) * static_cast<double>(together);
  const double share = std::min(1.0, static_cast<double>(inner.devices) / using_links);
  for (std::size_t i = std::min<std::size_t>(1, levels.size() - 1); domains > 1; ++i) {
    const bool is_last = i + 1 == levels.size();
    const std::int64_t nested =
        i == 0 ? domains : std::max<std::int64_t>(levels[i].devices / levels[i - 1].devices, 1);
    const std::int64_t left = is_last ? 1 : ceil_div(domains, nested);
    if (left < domains) {
      const double members = ranks / static_cast<double>(domains);
      visit(with_rates({levels[i].latency, {}, domains, left, members, true, {}, {}},
                       levels[i],
                       ceil_div(domains, left),
                       share));
    }
    domains = left;
  }
}

/// Domains that a level joins into one.
[[nodiscard]] inline double fan_in(const Crossing& crossing) {
  return static_cast<double>(crossing.joined) / static_cast<double>(crossing.left);
}

}  // namespace forerun
