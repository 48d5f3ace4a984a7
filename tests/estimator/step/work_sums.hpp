// Sums over work lists that the step's tests share.
#pragma once

#include <vector>

#include "estimator/step/work_list.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {

/// FLOP of all kernels of that operation.
inline double flop_of(const std::vector<WorkItem>& items, KernelOp op) {
  double flop = 0.0;
  for (const WorkItem& item : items) {
    const auto* kernel = std::get_if<KernelWork>(&item.work);
    if (kernel != nullptr && kernel->key.op == op) {
      flop += hardware_flops(kernel->key).in(unit::flop);
    }
  }
  return flop;
}

}  // namespace forerun
