// A plan that says how far it is: a large space takes minutes.
#pragma once

#include <cstdint>
#include <functional>

#include "estimator/plan/plan.hpp"

namespace forerun {

/// Told after every layout of this rank: the share of its layouts that are done, of 1, and how many
/// candidates it has gone through.
using PlanProgress = std::function<void(double share, std::int64_t candidates)>;

/// As make_plan without `progress`, which may be empty.
[[nodiscard]] Plan make_plan(const PlanRequest& request,
                             Communicator& world,
                             const PlanProgress& progress);

}  // namespace forerun
