// The verb `estimate`: one job, one layout, one cluster: step, memory, MFU, run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "estimator/estimate/hardware_source.hpp"
#include "estimator/run/run_cost.hpp"
#include "estimator/step/step_time.hpp"
#include "jobs/job.hpp"

namespace forerun {

struct EstimateRequest {
  Job job;
  HardwareSource hardware;  ///< already sized for the job's devices
  Overlap overlap = Overlap::on;
  Strictness strictness = Strictness::any_tier;
};

struct ErrorBand {
  Seconds low;
  Seconds high;
};

struct JobEstimate {
  EstimateRequest request;
  StepEstimate step;
  Seconds step_time;
  std::int64_t devices = 0;
  std::int64_t peak_stage = 0;
  Bytes memory_peak;
  std::optional<std::string> infeasible_because;
  std::optional<FlopsPerSecond> peak;  ///< of one device in the job's number format
  ErrorBand band;                      ///< 90 %
  std::optional<RunCost> run;          ///< when the job says its tokens
};

/// Throws InputError when the job is illegal, unsupported, or a key has no price.
[[nodiscard]] JobEstimate estimate_job(const EstimateRequest& request);

/// The document of the verb: keys as design.md's contract lists them.
[[nodiscard]] nlohmann::ordered_json to_json(const JobEstimate& estimate);

/// Parts of documents that other verbs echo too.
[[nodiscard]] nlohmann::ordered_json job_json(const Job& job);
[[nodiscard]] nlohmann::ordered_json breakdown_json(const StepBreakdown& breakdown);

/// Overlap is what the measurement shows: none on a CPU, Megatron's on GPUs.
[[nodiscard]] Overlap default_overlap(const HardwareSource& hardware);

}  // namespace forerun
