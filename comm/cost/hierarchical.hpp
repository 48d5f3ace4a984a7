// Hierarchical: scatter inside the nodes, combine between them, gather inside the nodes.
#pragma once

#include <span>

#include "comm/collective_key.hpp"
#include "comm/cost/traffic.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// What the nodes' links and the network do, each as if it were alone.
struct HierarchicalParts {
  Seconds inside;
  Seconds between;
};

/// All-reduce, all-gather and reduce-scatter over K nodes of r ranks (modelling.md 3.2): inside a
/// ring of S over r ranks, between the nodes r rings of S/r at once, each over K nodes and the
/// links of its own rank. Levels above the network's first are rings over what each joins.
[[nodiscard]] HierarchicalParts hierarchical_parts(const CollectiveKey& key,
                                                   std::span<const LinkLevel> levels);

/// Share of the slower part's rate that the two together reach: the all-reduce of 4 GiB over 4
/// nodes of 8 B200 takes 22.05 ms where the network alone needs 16.1 (modelling.md 3.2).
inline constexpr double hierarchical_efficiency = 0.73;

/// max(inside, between) / 0.73; `inside` alone where nothing goes between. Either part may come
/// from elsewhere: a node's own all-reduce that was measured, and a network that was not.
[[nodiscard]] Seconds hierarchical_time(const HierarchicalParts& parts);
[[nodiscard]] Seconds hierarchical_time(const CollectiveKey& key,
                                        std::span<const LinkLevel> levels);

}  // namespace forerun
