#include "estimator/measure/probe_groups.hpp"

#include <algorithm>

namespace forerun {

int color_of(const ProcessGrid& grid, GroupKind kind, int rank) {
  const auto groups = grid.groups(kind);
  const auto found = std::ranges::find_if(groups, [rank](const std::vector<std::int64_t>& group) {
    return std::ranges::binary_search(group, std::int64_t{rank});
  });
  return static_cast<int>(found - groups.begin());
}

ProbeGroups::ProbeGroups(Communicator& world, const ProcessGrid& grid, GroupKind kind) {
  const int color = color_of(grid, kind, world.rank());
  for (int i = 0; i < repetitions; ++i) {
    groups_.push_back(world.split(color, world.rank()));
  }
}

}  // namespace forerun
