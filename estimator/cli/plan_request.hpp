// What the options ask `plan` for.
#pragma once

#include "estimator/cli/options.hpp"
#include "estimator/plan/plan.hpp"

namespace forerun {

/// --model, --cluster, --devices, --batch and the choices that are left open. Throws InputError
/// without devices or batch.
[[nodiscard]] PlanRequest plan_request_from(const Options& options);

}  // namespace forerun
