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

/// Ranks that are slower to most others than those are among themselves, worst first. A rank's
/// pairs are taken against the median of the pairs of their level that do not touch it, for of few
/// ranks its own are half of a level. It is one when more than half of them are worse by
/// `least_factor` (of three ranks, by 2), by four times what noise makes of their median, and by
/// four robust deviations of all ranks. Its factors are against pairs that touch no straggler. Less
/// than half of the ranks are stragglers: of two none.
[[nodiscard]] std::vector<Straggler> find_stragglers(const std::vector<PairDistance>& pairs,
                                                     const Chain& chain,
                                                     const std::vector<std::string>& hosts);

/// Fills slow links, worst first, and says them and the stragglers in findings. A pair that touches
/// no straggler is a slow link when it is worse than its level by `least_factor`, four robust
/// deviations of the level and twice its own interval.
void name_odd_ranks(MeasuredTopology& topology,
                    const Chain& chain,
                    const std::vector<std::string>& hosts);

}  // namespace forerun
