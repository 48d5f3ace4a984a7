// Where a rank's time went in one step.
#pragma once

#include "estimator/step/pipeline_schedule.hpp"
#include "estimator/step/work_list.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// The parts are those of the estimate, with its computation by direction; waiting for the pipeline
/// holds both its bubble and its messages. They sum to `total` but for the executor's own
/// bookkeeping, which `host` is.
struct StepMeasurement {
  Seconds total;
  Seconds forward;   ///< kernels
  Seconds backward;  ///< kernels
  Seconds recompute;
  Seconds tensor_parallel;
  Seconds context_parallel;
  Seconds expert_parallel;
  Seconds pipeline_wait;
  Seconds data_parallel;
  Seconds optimizer;
  Seconds host;
  double loss_sum = 0.0;  ///< over this rank's tokens; nonzero on the last stage only

  void charge(Part part, Pass pass, Seconds time);
  /// Sets `total`, and `host` to what no part explains.
  void close(Seconds whole);
};

}  // namespace forerun
