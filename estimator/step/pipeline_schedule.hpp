// Pipeline schedules: the order in which a stage runs its micro-batches, and when each ends.
#pragma once

#include <cstdint>
#include <vector>

#include "jobs/recipe.hpp"
#include "units/quantity.hpp"

namespace forerun {

struct PipelineShape {
  std::int64_t stages = 1;
  std::int64_t chunks = 1;  ///< virtual pipeline: model chunks of one stage
  std::int64_t micro_batches = 1;
};

enum class Pass { forward, backward };

struct PipelineOp {
  Pass pass = Pass::forward;
  std::int64_t chunk = 0;  ///< local: 0 .. chunks - 1, in model order
  std::int64_t micro_batch = 0;
};

/// What `stage` runs, in order: gpipe (all forward, then all backward), 1f1b (Narayanan et al.
/// 2021, arXiv 2104.04473, figure 4), interleaved (same paper; warm-up 2(p - r - 1) + (v - 1)p
/// chunk passes, micro-batches in groups of p; needs micro_batches % stages == 0).
[[nodiscard]] std::vector<PipelineOp> stage_program(Schedule schedule,
                                                    const PipelineShape& shape,
                                                    std::int64_t stage);

/// `blocking`: the receiver is busy while a message arrives (plain 1F1B, MPI on a CPU).
/// `overlapped`: a message travels while the receiver computes something else.
enum class Exchange { blocking, overlapped };

struct PipelineCosts {
  std::vector<std::vector<Seconds>> forward;  ///< [stage][local chunk], one micro-batch
  std::vector<std::vector<Seconds>> backward;
  Seconds message;  ///< between neighbouring chunks on different stages
  Exchange exchange = Exchange::blocking;
};

struct StageTimes {
  Seconds end;   ///< of its last pass, from the start of the step
  Seconds busy;  ///< in forward and backward passes
};

/// Event simulation: every pass starts when its stage is free and its input has arrived.
[[nodiscard]] std::vector<StageTimes> simulate_pipeline(Schedule schedule,
                                                        const PipelineShape& shape,
                                                        const PipelineCosts& costs);

}  // namespace forerun
