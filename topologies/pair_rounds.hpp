// Which ranks measure their distance at the same time.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace forerun {

/// Two ranks, the lower one first.
using RankPair = std::pair<std::int64_t, std::int64_t>;
/// Pairs without a common rank: they measure at once.
using Round = std::vector<RankPair>;

/// All pairs are measured up to this many ranks.
inline constexpr std::int64_t most_ranks_for_all_pairs = 64;

/// Rounds of disjoint pairs of ranks on `hosts`, each pair in one round at most. A round is either
/// within hosts or between them, and between them all ranks of a host talk to the ranks of one
/// other: so links are shared alike in all rounds of a kind, and pairs can be compared.
///
/// Up to `most_ranks_for_all_pairs` ranks every pair is in a round. Above, ranks of a host and
/// hosts meet those 1, 2, 4, ... places away in the order of ranks, and some more spread evenly;
/// between hosts, ranks with the same place on their host and with neighbouring places: all ranks
/// are connected, and there are O(log) rounds.
[[nodiscard]] std::vector<Round> pair_rounds(const std::vector<std::string>& hosts);

}  // namespace forerun
