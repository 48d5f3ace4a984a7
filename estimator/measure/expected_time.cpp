#include "estimator/measure/expected_time.hpp"

#include "comm/collective_cost.hpp"
#include "topologies/link_levels.hpp"

namespace forerun {

Seconds expected_time(const CollectiveKey& key, const Profile& profile) {
  const CollectiveRecord* nearest = nullptr;
  for (const CollectiveRecord& record : profile.collectives) {
    const bool is_of_curve = record.key.op == key.op && record.key.type == key.type &&
                             record.key.group == key.group && record.key.bytes <= key.bytes;
    if (is_of_curve && (nearest == nullptr || nearest->key.bytes < record.key.bytes)) {
      nearest = &record;
    }
  }
  if (nearest != nullptr) {
    return nearest->timing.median *
           (static_cast<double>(key.bytes) / static_cast<double>(nearest->key.bytes));
  }
  return profile.topology
             ? collective_time(key, link_levels(*profile.topology, profile.ranks_per_node))
             : Seconds();
}

}  // namespace forerun
