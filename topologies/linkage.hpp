// Agglomerative clustering of ranks by average linkage, on a matrix that may have holes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace forerun {

struct RankEdge {
  std::int64_t first = 0;
  std::int64_t second = 0;
  double distance = 0.0;
};

/// Two clusters become one. Clusters 0..n-1 are the ranks, cluster n+k is what merge k made.
struct Merge {
  std::size_t left = 0;
  std::size_t right = 0;
  double height = 0.0;  ///< mean distance between their members; never below an earlier merge's
};

/// Merges of `ranks` ranks in ascending height (UPGMA: Sokal and Michener 1958). The distance of
/// two clusters is the mean over the edges between them; clusters without an edge do not merge
/// until others join them, so there are n-1 merges when the edges connect all ranks. Order of equal
/// heights: the clusters with the lower numbers first. Throws std::invalid_argument for an edge
/// outside the ranks or from a rank to itself.
[[nodiscard]] std::vector<Merge> average_linkage(std::int64_t ranks,
                                                 std::span<const RankEdge> edges);

/// The group of each rank, numbered from 0 in the order of their lowest ranks.
using Partition = std::vector<std::size_t>;

/// The groups that the first `count` merges leave.
[[nodiscard]] Partition partition_after(std::int64_t ranks,
                                        std::span<const Merge> merges,
                                        std::size_t count);

/// How many groups there are.
[[nodiscard]] std::size_t group_count(const Partition& partition);
/// How many ranks each group holds, by its number.
[[nodiscard]] std::vector<std::size_t> group_sizes(const Partition& partition);
/// The same groups under numbers in the order of their lowest ranks.
[[nodiscard]] Partition renumbered(const Partition& partition);
/// Whether every group of `inner` lies within one group of `outer`.
[[nodiscard]] bool is_nested(const Partition& inner, const Partition& outer);

}  // namespace forerun
