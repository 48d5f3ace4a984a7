#include "estimator/rehearse/backward_parts.hpp"

#include <algorithm>

#include "estimator/step/backward_split.hpp"

namespace forerun {
namespace {

bool touches(const WorkItem& item, TensorId id) {
  if (const auto* const collective = std::get_if<CollectiveWork>(&item.work)) {
    return collective->from == id || collective->to == id;
  }
  const auto& operands = std::get<KernelWork>(item.work).operands;
  return std::ranges::find(operands, id) != operands.end();
}

// Moves the release of `id` behind its last use in `items`; false when they do not use it.
bool release_last(std::vector<WorkItem>& items, TensorId id) {
  const auto last = std::find_if(
      items.rbegin(), items.rend(), [id](const WorkItem& item) { return touches(item, id); });
  if (last == items.rend()) {
    return false;
  }
  last->release.push_back(id);
  return true;
}

}  // namespace

BackwardParts backward_parts(const std::vector<WorkItem>& backward) {
  const std::vector<bool> is_weight_part = weight_part_of(backward);
  BackwardParts parts;
  std::vector<TensorId> released;
  for (std::size_t i = 0; i < backward.size(); ++i) {
    released.insert(released.end(), backward[i].release.begin(), backward[i].release.end());
    auto& part = is_weight_part[i] ? parts.weight : parts.input;
    part.push_back(backward[i]);
    part.back().release.clear();
  }
  for (const TensorId id : released) {
    if (!release_last(parts.weight, id)) {
      release_last(parts.input, id);
    }
  }
  return parts;
}

}  // namespace forerun
