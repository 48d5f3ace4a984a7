// What does not fit the levels that were found: other hosts, slow ranks, slow links.
#pragma once

#include <string>
#include <vector>

#include "topologies/level_chain.hpp"
#include "topologies/measured_topology.hpp"

namespace forerun {

/// Names the levels, sets the agreement and says it in a finding. `chain` holds the groups of
/// `topology.levels`, `host_groups` those of `hosts`.
void compare_with_hosts(MeasuredTopology& topology,
                        const Chain& chain,
                        const Partition& host_groups,
                        const std::vector<std::string>& hosts);

/// Fills stragglers and slow links, worst first, and says them in findings. A rank is a straggler
/// when the median over its pairs is worse than its levels' medians by `least_factor` and by four
/// robust deviations of all ranks; a pair of other ranks is a slow link when it is worse than its
/// level by `least_factor`, four robust deviations of the level and twice its own interval.
void name_odd_ranks(MeasuredTopology& topology,
                    const Chain& chain,
                    const std::vector<std::string>& hosts);

}  // namespace forerun
