// What the estimate says of a case, before it runs.
#pragma once

#include <cstdint>
#include <optional>

#include "estimator/estimate/estimate.hpp"
#include "estimator/rehearse/machine_speed.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// One job with what the estimate says of it.
struct PredictedRun {
  Job job;
  Overlap overlap = Overlap::off;  ///< that the estimate counts on
  StepEstimate estimate;
  Seconds forward;               ///< kernels of the forward passes, within the estimate's compute
  std::optional<double> factor;  ///< the machine's, from a single layer (Profile::layer_factor)
  Seconds fitted;                ///< the step with it; as predicted where there is none
  std::optional<MachineSpeed> speed;  ///< of kernels, now; it is in every price of one
  Seconds as_profiled;                ///< the step by the profile's kernels as they stand
  std::int64_t whole_layers = 0;      ///< of the model that is planned; `job` may run fewer
  Seconds planned;                    ///< step of the whole model in this layout
};

/// `request.job` is what runs; `whole` the model before it was cut; `speed` how kernels run now,
/// where that was looked at. Throws InputError when a key has no price.
[[nodiscard]] PredictedRun predict_run(const EstimateRequest& request,
                                       const ModelShape& whole,
                                       const std::optional<MachineSpeed>& speed = std::nullopt);

[[nodiscard]] inline Seconds predicted_step(const PredictedRun& run) {
  return total_of(run.estimate.breakdown);
}

}  // namespace forerun
