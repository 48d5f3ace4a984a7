#include "comm/node_segment.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

namespace forerun {

std::int64_t segmented_node(std::int64_t devices_per_node,
                            std::int64_t devices_per_host,
                            std::initializer_list<std::int64_t> blocks) {
  if (devices_per_host <= 0) {
    return devices_per_node;
  }
  std::vector<std::int64_t> larger_first(blocks);
  std::ranges::sort(larger_first, std::greater<>());
  std::int64_t segment = devices_per_host;
  for (const std::int64_t block : larger_first) {
    const std::int64_t both = std::lcm(segment, block);
    segment = both <= devices_per_node ? both : segment;
  }
  return devices_per_node / segment * segment;
}

}  // namespace forerun
