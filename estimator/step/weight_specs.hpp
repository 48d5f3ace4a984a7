// Which weights a rank holds, in model order; where they lie is for stage_weights.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "estimator/step/stage_weights.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// Of the chunks that `stage` holds, with embedding and head where they are.
[[nodiscard]] std::vector<WeightSpec> stage_specs(const Job& job, std::int64_t stage);

/// Of one layer.
[[nodiscard]] std::vector<WeightSpec> layer_specs(const Job& job, std::int64_t layer);

}  // namespace forerun
