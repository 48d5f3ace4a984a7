// Which items of a backward pass are its weight part, that zero-bubble schedules run later.
#pragma once

#include <vector>

#include "estimator/step/work_list.hpp"

namespace forerun {

/// One flag an item of a backward pass: whether nothing but the optimizer waits for it. That are
/// kernels which write gradients of weights and nothing else, and collectives whose result only
/// such kernels read (the second gather of a layer's input under sequence parallelism). Kernels
/// that also write the gradient of their input (norms) belong to the input part.
[[nodiscard]] std::vector<bool> weight_part_of(const std::vector<WorkItem>& backward);

}  // namespace forerun
