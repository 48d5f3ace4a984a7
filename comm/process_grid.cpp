// The arithmetic of ranks: coordinates, groups, and how a group lies on the nodes.
#include "comm/process_grid.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "units/input_error.hpp"
#include "units/integer.hpp"

namespace forerun {
namespace {

constexpr auto group_kind_names = std::to_array<std::pair<GroupKind, std::string_view>>({
    {GroupKind::tensor, "tensor"},
    {GroupKind::context, "context"},
    {GroupKind::data, "data"},
    {GroupKind::data_context, "data_context"},
    {GroupKind::pipeline, "pipeline"},
    {GroupKind::model, "model"},
    {GroupKind::embedding, "embedding"},
    {GroupKind::world, "world"},
    {GroupKind::expert, "expert"},
    {GroupKind::expert_tensor, "expert_tensor"},
    {GroupKind::expert_data, "expert_data"},
});

bool is_expert(GroupKind kind) {
  return kind == GroupKind::expert || kind == GroupKind::expert_tensor ||
         kind == GroupKind::expert_data;
}

// Runs of `stride` ranks are stages, `stages` of them a pipeline.
struct Pipelines {
  std::int64_t stages = 1;
  std::int64_t stride = 1;
  std::int64_t ranks = 1;
};

// Pairs of a first and a last stage that have ranks on the node that begins there: of every
// pipeline the union of what the node has of the two stages.
std::int64_t embedding_pairs_on(const Pipelines& all,
                                std::int64_t begin,
                                std::int64_t ranks_per_node) {
  const std::int64_t end = std::min(begin + ranks_per_node, all.ranks);
  const std::int64_t pipeline = all.stages * all.stride;
  std::int64_t pairs = 0;
  for (std::int64_t origin = begin / pipeline * pipeline; origin < end; origin += pipeline) {
    const auto within = [&](std::int64_t first) {
      const std::int64_t low = std::clamp<std::int64_t>(begin - first, 0, all.stride);
      return std::pair(low, std::clamp<std::int64_t>(end - first, low, all.stride));
    };
    const auto first = within(origin);
    const auto last = within(origin + pipeline - all.stride);
    const std::int64_t both =
        std::min(first.second, last.second) - std::max(first.first, last.first);
    pairs +=
        first.second - first.first + last.second - last.first - std::max<std::int64_t>(both, 0);
  }
  return pairs;
}

// On the node that has most. Nodes repeat once their offset in a pipeline does; where stages are
// outermost, the first node has as many as any.
std::int64_t most_embedding_pairs(const Pipelines& all, std::int64_t ranks_per_node) {
  const std::int64_t pipeline = all.stages * all.stride;
  if (pipeline == all.ranks) {
    return std::min(ranks_per_node, all.stride);
  }
  const std::int64_t period = std::min(std::lcm(pipeline, ranks_per_node), all.ranks);
  std::int64_t most = 0;
  for (std::int64_t begin = 0; begin < period; begin += ranks_per_node) {
    most = std::max(most, embedding_pairs_on(all, begin, ranks_per_node));
  }
  return most;
}

}  // namespace

ProcessGrid::ProcessGrid(GridDegrees degrees, RankOrder order) : degrees_(degrees), order_(order) {
  if (std::min({degrees.tensor,
                degrees.context,
                degrees.data,
                degrees.pipeline,
                degrees.expert,
                degrees.expert_tensor}) < 1) {
    throw std::invalid_argument("a degree of a process grid is below 1");
  }
  const std::int64_t stage = degrees.tensor * degrees.context * degrees.data;
  const std::int64_t folded = degrees.expert_tensor * degrees.expert;
  if (stage % folded != 0) {
    throw InputError(
        "--layout",
        fmt::format("etp*ep = {} does not divide tp*cp*dp = {}: experts fold the ranks "
                    "of one pipeline stage",
                    folded,
                    stage));
  }
  std::int64_t ranks = 1;
  std::int64_t in_stage = 1;
  const auto next = [](std::int64_t& stride, std::int64_t count) {
    return Axis{count, std::exchange(stride, stride * count)};
  };
  for (const GridDimension dimension : order) {
    switch (dimension) {
      case GridDimension::tensor:
        axes_.tensor = next(ranks, degrees.tensor);
        expert_axes_.expert_tensor = next(in_stage, degrees.expert_tensor);
        break;
      case GridDimension::context:
        axes_.context = next(ranks, degrees.context);
        break;
      case GridDimension::expert:
        expert_axes_.expert = next(in_stage, degrees.expert);
        break;
      case GridDimension::data:
        axes_.data = next(ranks, degrees.data);
        expert_axes_.expert_data = next(in_stage, stage / folded);
        break;
      case GridDimension::pipeline:
        axes_.pipeline = next(ranks, degrees.pipeline);
        break;
    }
  }
}

std::int64_t ProcessGrid::size() const {
  return degrees_.tensor * degrees_.context * degrees_.data * degrees_.pipeline;
}

std::int64_t ProcessGrid::expert_data() const {
  return expert_axes_.expert_data.count;
}

GridCoordinates ProcessGrid::coordinates(std::int64_t rank) const {
  const auto on = [rank](const Axis& axis) { return rank / axis.stride % axis.count; };
  return {on(axes_.tensor), on(axes_.context), on(axes_.data), on(axes_.pipeline)};
}

std::int64_t ProcessGrid::rank_of(const GridCoordinates& at) const {
  return at.tensor * axes_.tensor.stride + at.context * axes_.context.stride +
         at.data * axes_.data.stride + at.pipeline * axes_.pipeline.stride;
}

// The ranks of a stage are runs of one pipeline stride, a whole pipeline apart.
std::int64_t ProcessGrid::index_in_stage(std::int64_t rank) const {
  const auto [stages, stride] = axes_.pipeline;
  return rank / (stride * stages) * stride + rank % stride;
}

std::int64_t ProcessGrid::rank_at(std::int64_t index_in_stage, std::int64_t stage) const {
  const auto [stages, stride] = axes_.pipeline;
  return index_in_stage / stride * (stride * stages) + stage * stride + index_in_stage % stride;
}

ExpertCoordinates ProcessGrid::expert_coordinates(std::int64_t rank) const {
  const std::int64_t index = index_in_stage(rank);
  const auto on = [index](const Axis& axis) { return index / axis.stride % axis.count; };
  return {on(expert_axes_.expert_tensor),
          on(expert_axes_.expert),
          on(expert_axes_.expert_data),
          coordinates(rank).pipeline};
}

std::int64_t ProcessGrid::rank_of(const ExpertCoordinates& at) const {
  return rank_at(at.expert_tensor * expert_axes_.expert_tensor.stride +
                     at.expert * expert_axes_.expert.stride +
                     at.expert_data * expert_axes_.expert_data.stride,
                 at.pipeline);
}

// Along which axes the members of a group differ; of ranks, or for experts of numbers in a stage.
ProcessGrid::AxisList ProcessGrid::axes_of(GroupKind kind) const {
  switch (kind) {
    case GroupKind::tensor:
      return {{axes_.tensor}, 1};
    case GroupKind::context:
      return {{axes_.context}, 1};
    case GroupKind::data:
      return {{axes_.data}, 1};
    case GroupKind::data_context:
      return {{axes_.context, axes_.data}, 2};
    case GroupKind::pipeline:
      return {{axes_.pipeline}, 1};
    case GroupKind::embedding:
      return {{Axis{std::min<std::int64_t>(degrees_.pipeline, 2),
                    std::max<std::int64_t>(degrees_.pipeline - 1, 1) * axes_.pipeline.stride}},
              1};
    case GroupKind::model:
      return {{axes_.tensor, axes_.context, axes_.pipeline}, 3};
    case GroupKind::world:
      return {{axes_.tensor, axes_.context, axes_.data, axes_.pipeline}, 4};
    case GroupKind::expert:
      return {{expert_axes_.expert}, 1};
    case GroupKind::expert_tensor:
      return {{expert_axes_.expert_tensor}, 1};
    case GroupKind::expert_data:
      return {{expert_axes_.expert_data}, 1};
  }
  return {};
}

// The member at the origin of the group's axes.
std::int64_t ProcessGrid::first_of(GroupKind kind, std::int64_t rank) const {
  std::int64_t at = is_expert(kind) ? index_in_stage(rank) : rank;
  const AxisList axes = axes_of(kind);
  for (const Axis& axis : axes.all()) {
    at -= at / axis.stride % axis.count * axis.stride;
  }
  return is_expert(kind) ? rank_at(at, coordinates(rank).pipeline) : at;
}

std::vector<std::int64_t> ProcessGrid::group_of(GroupKind kind, std::int64_t rank) const {
  const std::int64_t stage = coordinates(rank).pipeline;
  if (kind == GroupKind::embedding && stage != 0 && stage != degrees_.pipeline - 1) {
    return {};
  }
  const std::int64_t first =
      kind == GroupKind::embedding ? rank - stage * axes_.pipeline.stride : first_of(kind, rank);
  std::vector<std::int64_t> members{is_expert(kind) ? index_in_stage(first) : first};
  const AxisList axes = axes_of(kind);
  for (const Axis& axis : axes.all()) {
    const std::vector<std::int64_t> origins = std::exchange(members, {});
    for (const std::int64_t origin : origins) {
      for (std::int64_t i = 0; i < axis.count; ++i) {
        members.push_back(origin + i * axis.stride);
      }
    }
  }
  if (is_expert(kind)) {
    std::ranges::transform(
        members, members.begin(), [&](std::int64_t index) { return rank_at(index, stage); });
  }
  std::ranges::sort(members);
  return members;
}

std::vector<std::vector<std::int64_t>> ProcessGrid::groups(GroupKind kind) const {
  std::vector<std::vector<std::int64_t>> all;
  for (std::int64_t rank = 0; rank < size(); ++rank) {
    auto members = group_of(kind, rank);
    if (!members.empty() && members.front() == rank) {
      all.push_back(std::move(members));
    }
  }
  return all;
}

// With pipeline stages outermost the numbers in a stage are ranks at the same distances.
bool ProcessGrid::folds_by_stage(GroupKind kind) const {
  return is_expert(kind) && degrees_.pipeline > 1 &&
         axes_.pipeline.stride * degrees_.pipeline != size();
}

// Nodes that the worst-placed set of ranks touches, one member for each combination of `axes`.
// Sets start at multiples of their length, hence at offsets inside a node that are multiples of
// gcd(length, node): the worst starts that far before the node's end. Where members are a node or
// more apart, each lies on nodes of its own.
std::int64_t ProcessGrid::nodes_of(std::span<const Axis> axes,
                                   std::int64_t node,
                                   std::int64_t size) {
  if (size <= node || axes.empty()) {
    return 1;
  }
  const Axis outer = axes.back();
  const auto inner = axes.first(axes.size() - 1);
  if (outer.stride >= node && !inner.empty()) {
    return outer.count * nodes_of(inner, node, size);
  }
  const std::int64_t length = outer.count * outer.stride;
  const std::int64_t worst_offset = length < size ? node - std::gcd(length, node) : 0;
  std::int64_t members = 1;
  for (const Axis& axis : axes) {
    members *= axis.count;
  }
  return std::min(members, ceil_div(worst_offset + length, node));
}

// Axes by distance; those that follow one another without a gap are one.
ProcessGrid::AxisList ProcessGrid::merged(AxisList axes) {
  AxisList merged;
  for (std::size_t i = 0; i < axes.length; ++i) {
    for (std::size_t j = i + 1; j < axes.length; ++j) {
      if (axes.axes.at(j).stride < axes.axes.at(i).stride) {
        std::swap(axes.axes.at(i), axes.axes.at(j));
      }
    }
    const Axis& axis = axes.axes.at(i);
    Axis* const last = merged.length > 0 ? &merged.axes.at(merged.length - 1) : nullptr;
    if (axis.count > 1 && last != nullptr && last->count * last->stride == axis.stride) {
      last->count *= axis.count;
    } else if (axis.count > 1) {
      merged.add(axis);
    }
  }
  return merged;
}

// By counting, where no distance describes a group.
std::int64_t ProcessGrid::counted_nodes(GroupKind kind, std::int64_t ranks_per_node) const {
  std::size_t most = 1;
  for (const auto& group : groups(kind)) {
    std::set<std::int64_t> nodes;
    for (const std::int64_t rank : group) {
      nodes.insert(rank / ranks_per_node);
    }
    most = std::max(most, nodes.size());
  }
  return static_cast<std::int64_t>(most);
}

std::int64_t ProcessGrid::worst_nodes(GroupKind kind, std::int64_t ranks_per_node) const {
  if (folds_by_stage(kind)) {
    return counted_nodes(kind, ranks_per_node);
  }
  if (kind == GroupKind::embedding) {
    const std::int64_t pipeline = axes_.pipeline.stride * degrees_.pipeline;
    const bool shares_node = size() <= ranks_per_node || ranks_per_node % pipeline == 0;
    return shares_node ? 1 : std::min<std::int64_t>(degrees_.pipeline, 2);
  }
  const AxisList axes = merged(axes_of(kind));
  return nodes_of(axes.all(), ranks_per_node, size());
}

GroupShape ProcessGrid::shape(GroupKind kind, std::int64_t ranks_per_node) const {
  std::int64_t ranks = 1;
  const AxisList axes = axes_of(kind);
  for (const Axis& axis : axes.all()) {
    ranks *= axis.count;
  }
  const std::int64_t nodes = worst_nodes(kind, ranks_per_node);
  const std::int64_t together = ceil_div(ranks, nodes);
  if (kind == GroupKind::embedding) {
    const auto [stages, stride] = axes_.pipeline;
    return {ranks, together, most_embedding_pairs({stages, stride, size()}, ranks_per_node)};
  }
  const std::int64_t on_node = std::min(ranks_per_node, size());
  return {ranks, together, std::max<std::int64_t>(on_node / together, 1)};
}

std::vector<PlacedGroup> placed_groups(const ProcessGrid& grid,
                                       GroupKind kind,
                                       std::span<const std::string> nodes) {
  std::vector<PlacedGroup> placed;
  for (auto& ranks : grid.groups(kind)) {
    PlacedGroup group;
    for (const std::int64_t rank : ranks) {
      group.nodes.push_back(nodes[static_cast<std::size_t>(rank)]);
    }
    group.ranks = std::move(ranks);
    placed.push_back(std::move(group));
  }
  return placed;
}

std::string_view name_of(GroupKind kind) {
  for (const auto& [value, name] : group_kind_names) {
    if (value == kind) {
      return name;
    }
  }
  return {};
}

std::span<const GroupKind> all_group_kinds() {
  static constexpr auto kinds = [] {
    std::array<GroupKind, group_kind_names.size()> all{};
    for (std::size_t i = 0; i < group_kind_names.size(); ++i) {
      all[i] = group_kind_names[i].first;
    }
    return all;
  }();
  return kinds;
}

}  // namespace forerun
