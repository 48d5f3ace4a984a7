// Which sizes the measured curves of collectives still want.
#pragma once

#include <span>
#include <vector>

#include "estimator/measure/measurement_plan.hpp"
#include "estimator/profile/profile.hpp"

namespace forerun {

/// For each collective, format and group in `measured`: the planned collectives at the sizes that
/// `sizes_to_refine` names, made after one of `planned` over the same group.
[[nodiscard]] std::vector<PlannedCollective> collectives_to_refine(
    std::span<const PlannedCollective> planned, std::span<const CollectiveRecord> measured);

}  // namespace forerun
