// A backward pass in the two parts that zero-bubble schedules run at different times.
#pragma once

#include <vector>

#include "estimator/step/work_list.hpp"

namespace forerun {

struct BackwardParts {
  std::vector<WorkItem> input;   ///< passes the gradient on
  std::vector<WorkItem> weight;  ///< adds up the gradients of weights, which nobody waits for
};

/// The items of a chunk's backward pass by part (`weight_part_of`). What the pass releases, the
/// part that reads it last releases.
[[nodiscard]] BackwardParts backward_parts(const std::vector<WorkItem>& backward);

}  // namespace forerun
