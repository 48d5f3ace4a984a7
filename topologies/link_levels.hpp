// What was measured between ranks, as cost models take it.
#pragma once

#include <cstdint>
#include <vector>

#include "topologies/cluster.hpp"
#include "topologies/measured_topology.hpp"

namespace forerun {

/// The levels as collective cost models take them: a device's share of the bandwidth with every
/// rank busy both ways, as the ranks of a collective are, after the latency alone. Of the levels
/// within nodes of so many ranks, only the outermost: cost models know one link inside a node, and
/// the slowest decides. A level is as slow as its worst straggler: of all groups of a kind that
/// work at once one holds it, and the step waits for that one.
[[nodiscard]] std::vector<LinkLevel> link_levels(const MeasuredTopology& topology,
                                                 std::int64_t ranks_per_node);

}  // namespace forerun
