#include "estimator/rehearse/step_measurement.hpp"

namespace forerun {

void StepMeasurement::charge(Part part, Pass pass, Seconds time) {
  switch (part) {
    case Part::compute:
      (pass == Pass::forward ? forward : backward) += time;
      break;
    case Part::recompute:
      recompute += time;
      break;
    case Part::tensor_parallel:
      tensor_parallel += time;
      break;
    case Part::context_parallel:
      context_parallel += time;
      break;
    case Part::expert_parallel:
      expert_parallel += time;
      break;
    case Part::data_parallel:
      data_parallel += time;
      break;
    case Part::optimizer:
      optimizer += time;
      break;
  }
}

void StepMeasurement::close(Seconds whole) {
  total = whole;
  host = total - forward - backward - recompute - tensor_parallel - context_parallel -
         expert_parallel - pipeline_wait - data_parallel - optimizer;
}

}  // namespace forerun
