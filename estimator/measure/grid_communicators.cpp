#include "estimator/measure/grid_communicators.hpp"

#include "estimator/measure/probe_groups.hpp"

namespace forerun {

GridDegrees degrees_of(const ParallelLayout& layout) {
  return {.tensor = layout.tensor,
          .context = layout.context,
          .data = layout.data,
          .pipeline = layout.pipeline,
          .expert = layout.expert,
          .expert_tensor = layout.expert_tensor};
}

Experts experts_of(const ModelShape& model) {
  return model.moe ? Experts::present : Experts::absent;
}

// Dense parts always use the first four; the others only where something is split that way.
std::vector<GroupKind> kinds_used(const ParallelLayout& layout, Experts experts) {
  std::vector<GroupKind> kinds{
      GroupKind::tensor, GroupKind::data_context, GroupKind::pipeline, GroupKind::embedding};
  if (layout.context > 1) {
    kinds.push_back(GroupKind::context);
    kinds.push_back(GroupKind::data);
  }
  if (experts == Experts::present || layout.expert > 1 || layout.expert_tensor > 1) {
    kinds.insert(kinds.end(),
                 {GroupKind::expert, GroupKind::expert_tensor, GroupKind::expert_data});
  }
  return kinds;
}

GridCommunicators::GridCommunicators(Communicator& world,
                                     const ParallelLayout& layout,
                                     const RankOrder& order,
                                     Experts experts)
    : world_(world), grid_(degrees_of(layout), order), here_(grid_.coordinates(world.rank())) {
  for (const GroupKind kind : kinds_used(layout, experts)) {
    const int color = color_of(grid_, kind, world.rank());
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
