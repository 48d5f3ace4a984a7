#include "estimator/rehearse/overlap_order.hpp"

#include <algorithm>
#include <cstddef>

namespace forerun {
namespace {

bool is_kernel(const WorkItem& item, const KernelKey& key) {
  const auto* const kernel = std::get_if<KernelWork>(&item.work);
  return kernel != nullptr && kernel->key == key;
}

}  // namespace

std::vector<WorkItem> in_overlap_order(std::vector<WorkItem> items) {
  for (std::size_t i = 1; i < items.size(); ++i) {
    const auto* const collective = std::get_if<CollectiveWork>(&items[i].work);
    if (collective != nullptr && collective->hides_under &&
        is_kernel(items[i - 1], *collective->hides_under)) {
      std::swap(items[i - 1], items[i]);
    }
  }
  return items;
}

}  // namespace forerun
