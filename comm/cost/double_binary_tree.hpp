// Double binary tree: all-reduce for small messages over many nodes.
#pragma once

#include <span>

#include "comm/collective_key.hpp"
#include "comm/cost/traffic.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// Pipelined all-reduce of S bytes over n ranks: 2 ceil(log2 n) steps. In half trees of S/2 a leaf
/// sends S/2 up, an inner node S/2 up and S/2 to each of two children, and every rank is inner in
/// at most one of the two trees (Sanders, Speck and Traff 2009): 2S; over 3 ranks 3/2 S and over 2
/// ranks S, the "doubled NIC use on 2 nodes, 4/3 on 3" of modelling.md 3.5.
[[nodiscard]] Traffic double_binary_tree_traffic(Bytes payload, std::int64_t ranks);

/// Of the ring's bandwidth, what NCCL expects of its tree (src/graph/tuning.cc).
inline constexpr double tree_bandwidth_fraction = 0.92;

/// NCCL's form (modelling.md 3.3): a chain inside the node, the double tree above it:
/// 2 [(r-1) alpha_intra + sum ceil(log2 K) alpha_inter]. The chain's load spreads over channels,
/// 2 (r-1)/r S a rank.
[[nodiscard]] Seconds double_binary_tree_time(const CollectiveKey& key,
                                              std::span<const LinkLevel> levels);

}  // namespace forerun
