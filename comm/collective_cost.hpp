// How long a collective takes, from the links it crosses: alpha-beta models with their sources.
#pragma once

#include <span>

#include "comm/collective_key.hpp"
#include "topologies/cluster.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Time of one collective over a group of this shape, all groups of its kind running at once.
/// Ring and tree, the faster of the two as NCCL picks, hierarchical over the levels that the group
/// spans (modelling.md 3.1, 3.2, 3.6). `levels` innermost first; zero for one rank.
[[nodiscard]] Seconds collective_time(const CollectiveKey& key, std::span<const LinkLevel> levels);

}  // namespace forerun
