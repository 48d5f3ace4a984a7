#include "estimator/step/backward_split.hpp"

#include <algorithm>

#include "kernels/operands.hpp"

namespace forerun {
namespace {

bool writes_weight_gradients_only(const KernelWork& kernel) {
  const auto operands = operands_of(kernel.key);
  bool writes = false;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (operands[i].access == Access::read) {
      continue;
    }
    const TensorId id = kernel.operands[i];
    const bool is_weight_gradient = is_weight(id) || id.name == TensorName::weight_update;
    if (!is_weight_gradient || !id.gradient) {
      return false;
    }
    writes = true;
  }
  return writes;
}

bool touches(const WorkItem& item, TensorId id) {
  if (const auto* const collective = std::get_if<CollectiveWork>(&item.work)) {
    return collective->from == id || collective->to == id;
  }
  return std::ranges::find(std::get<KernelWork>(item.work).operands, id) !=
         std::get<KernelWork>(item.work).operands.end();
}

}  // namespace

std::vector<bool> weight_part_of(const std::vector<WorkItem>& backward) {
  std::vector<bool> is_weight_part(backward.size(), false);
  for (std::size_t i = 0; i < backward.size(); ++i) {
    const auto* const kernel = std::get_if<KernelWork>(&backward[i].work);
    is_weight_part[i] = kernel != nullptr && writes_weight_gradients_only(*kernel);
  }
  for (std::size_t i = 0; i < backward.size(); ++i) {
    const auto* const collective = std::get_if<CollectiveWork>(&backward[i].work);
    if (collective == nullptr) {
      continue;
    }
    bool any_weight = false;
    bool any_input = false;
    for (std::size_t later = i + 1; later < backward.size(); ++later) {
      if (touches(backward[later], collective->to)) {
        any_weight = any_weight || is_weight_part[later];
        any_input = any_input || !is_weight_part[later];
      }
    }
    is_weight_part[i] = any_weight && !any_input;
  }
  return is_weight_part;
}

}  // namespace forerun
