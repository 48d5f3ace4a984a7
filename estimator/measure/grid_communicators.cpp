#include "estimator/measure/grid_communicators.hpp"

#include <algorithm>
#include <array>

namespace forerun {

GridDegrees degrees_of(const ParallelLayout& layout) {
  return {.tensor = layout.tensor,
          .context = layout.context,
          .data = layout.data,
          .pipeline = layout.pipeline};
}

GridCommunicators::GridCommunicators(Communicator& world, const ParallelLayout& layout)
    : world_(world), grid_(degrees_of(layout)), here_(grid_.coordinates(world.rank())) {
  constexpr std::array kinds{
      GroupKind::tensor, GroupKind::data_context, GroupKind::pipeline, GroupKind::embedding};
  for (const GroupKind kind : kinds) {
    const auto groups = grid_.groups(kind);
    // Ranks in no group of the kind form a group of their own, which nothing uses.
    int color = static_cast<int>(groups.size());
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (std::ranges::find(groups[i], world.rank()) != groups[i].end()) {
        color = static_cast<int>(i);
      }
    }
    groups_[kind] = world.split(color, world.rank());
    if (kind == GroupKind::pipeline) {
      gradients_ = world.split(color, world.rank());
    }
  }
}

Communicator& GridCommunicators::pipeline(Pass pass) {
  return pass == Pass::forward ? of(GroupKind::pipeline) : *gradients_;
}

Communicator& GridCommunicators::of(GroupKind kind) {
  return kind == GroupKind::world ? world_ : *groups_.at(kind);
}

}  // namespace forerun
