// The programs of the zero-bubble schedules, one function each; `stage_program` is the way in.
#pragma once

#include <cstdint>
#include <vector>

#include "estimator/step/pipeline_schedule.hpp"

namespace forerun {

/// `in_flight` passes of warm-up, then one backward input part per forward; the weight part lags
/// `lag` micro-batches behind (zb-h1: p - r and r; zb-h2: 2(p - r) - 1 and 2r).
[[nodiscard]] std::vector<PipelineOp> zero_bubble_program(std::int64_t micro_batches,
                                                          std::int64_t in_flight,
                                                          std::int64_t lag);

[[nodiscard]] std::vector<PipelineOp> zero_bubble_v_program(const PipelineShape& shape,
                                                            std::int64_t stage);

/// Both dualpipes.
[[nodiscard]] std::vector<PipelineOp> dualpipe_program(Schedule schedule,
                                                       const PipelineShape& shape,
                                                       std::int64_t stage);

}  // namespace forerun
