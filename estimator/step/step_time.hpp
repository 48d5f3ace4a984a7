// One optimizer step: prices the work list, schedules the pipeline, adds it up.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "estimator/step/chunk_cost.hpp"
#include "estimator/step/memory.hpp"
#include "estimator/step/price.hpp"
#include "estimator/step/step_timeline.hpp"
#include "estimator/step/straggler.hpp"
#include "estimator/step/work_list.hpp"
#include "jobs/job.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Parts of the step of the stage with the most work; they sum to the step time.
struct StepBreakdown {
  Seconds compute;
  Seconds recompute;
  Seconds tensor_parallel;   ///< not hidden under compute
  Seconds context_parallel;  ///< not hidden under compute
  Seconds expert_parallel;   ///< not hidden under compute
  Seconds pipeline_p2p;      ///< waiting for messages
  Seconds bubble;            ///< waiting for the pipeline to fill and drain
  Seconds data_parallel;     ///< not hidden under compute
  Seconds optimizer;
  Seconds offload;     ///< waiting for the host link
  Seconds contention;  ///< compute slowed by collectives beside it
  Seconds host;        ///< the device waits for the host to launch kernels
  Seconds straggler;   ///< all wait for the slowest device
};

[[nodiscard]] Seconds total_of(const StepBreakdown& breakdown);

/// Shares of the priced time, by tier; sum to 1.
struct Provenance {
  std::array<double, 4> share{};  ///< indexed by Tier
  double relative_error = 0.0;    ///< the tiers' own errors, in quadrature by share
};

struct StepEstimate {
  StepBreakdown breakdown;
  std::int64_t slowest_stage = 0;
  double bubble_fraction = 0.0;  ///< of the step
  Provenance provenance;
  std::vector<StageMemory> memory;  ///< of each stage
  StepPipeline pipeline;            ///< what the timeline follows from (step_timeline.hpp)
  Flops model_flops;                ///< whole step, all devices
  Flops hardware_flops;             ///< what the kernels execute, recomputation included
};

/// What the machine adds to the job.
struct StepSettings {
  Overlap overlap = Overlap::on;
  MemoryOverheads overheads = {};
  HostCost host = {};
  Stragglers stragglers = {};
};

[[nodiscard]] StepEstimate estimate_step(const Job& job,
                                         const Placement& placement,
                                         const PriceList& prices,
                                         const StepSettings& settings);

}  // namespace forerun
