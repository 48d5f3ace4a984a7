// How many devices of a node a job takes, so that its inner groups do not straddle two.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace forerun {

/// Of a node that is several hosts (an NVL72 rack: 18 of 4), a scheduler gives a job as many hosts
/// as hold whole groups, and the rest to others (Slurm's topology/block and --segment). `blocks`:
/// ranks of groups that lie next to each other, tp * cp or etp * ep; those that fit are kept whole,
/// the larger first. All devices where nothing is left over, or where a node is one host
/// (`devices_per_host` 0).
[[nodiscard]] std::int64_t segmented_node(std::int64_t devices_per_node,
                                          std::int64_t devices_per_host,
                                          std::initializer_list<std::int64_t> blocks);

}  // namespace forerun
