// Puts collectives before the kernels that they run beside.
#pragma once

#include <vector>

#include "estimator/step/work_list.hpp"

namespace forerun {

/// A collective that the list holds behind the kernel under which it hides moves to before it: the
/// two have no data in common.
[[nodiscard]] std::vector<WorkItem> in_overlap_order(std::vector<WorkItem> items);

}  // namespace forerun
