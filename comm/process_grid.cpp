// The arithmetic of tp-cp-dp-pp ranks: coordinates, groups, and how a group lies on the nodes.
#include "comm/process_grid.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace forerun {
namespace {

constexpr auto names = std::to_array<std::pair<GroupKind, std::string_view>>({
    {GroupKind::tensor, "tensor"},
    {GroupKind::context, "context"},
    {GroupKind::data, "data"},
    {GroupKind::data_context, "data_context"},
    {GroupKind::pipeline, "pipeline"},
    {GroupKind::model, "model"},
    {GroupKind::embedding, "embedding"},
    {GroupKind::world, "world"},
});

// Which coordinates differ between the members of a group.
struct Varied {
  bool tensor = false;
  bool context = false;
  bool data = false;
  bool pipeline = false;
};

Varied varied_in(GroupKind kind) {
  switch (kind) {
    case GroupKind::tensor:
      return {.tensor = true};
    case GroupKind::context:
      return {.context = true};
    case GroupKind::data:
      return {.data = true};
    case GroupKind::data_context:
      return {.context = true, .data = true};
    case GroupKind::pipeline:
    case GroupKind::embedding:
      return {.pipeline = true};
    case GroupKind::model:
      return {.tensor = true, .context = true, .pipeline = true};
    case GroupKind::world:
      return {.tensor = true, .context = true, .data = true, .pipeline = true};
  }
  return {};
}

// One coordinate of the members: all of a dimension, or the one value they share.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t step = 1;
};

Range range(bool varied, std::int64_t degree, std::int64_t own) {
  return varied ? Range{0, degree} : Range{own, own + 1};
}

Range pipeline_range(GroupKind kind, std::int64_t degree, std::int64_t own) {
  if (kind == GroupKind::embedding) {
    return {0, degree, std::max<std::int64_t>(degree - 1, 1)};
  }
  return range(varied_in(kind).pipeline, degree, own);
}

bool is_member(GroupKind kind, const GridDegrees& degrees, const GridCoordinates& at) {
  return kind != GroupKind::embedding || at.pipeline == 0 || at.pipeline == degrees.pipeline - 1;
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

// `count` ranks at distance `stride`; such runs follow one another `count * stride` ranks apart.
struct Run {
  std::int64_t count = 1;
  std::int64_t stride = 1;
};

// Nodes that the worst-placed run of a grid touches. Runs start at multiples of their length, hence
// at offsets inside a node that are multiples of gcd(length, node): the worst starts that far
// before the node's end.
std::int64_t nodes_of(Run run, std::int64_t node, std::int64_t size) {
  if (size <= node) {
    return 1;
  }
  const std::int64_t length = run.count * run.stride;
  const std::int64_t worst_offset = length < size ? node - std::gcd(length, node) : 0;
  return std::min(run.count, ceil_div(worst_offset + length, node));
}

}  // namespace

ProcessGrid::ProcessGrid(GridDegrees degrees) : degrees_(degrees) {
  if (std::min({degrees.tensor, degrees.context, degrees.data, degrees.pipeline}) < 1) {
    throw std::invalid_argument("a degree of a process grid is below 1");
  }
}

std::int64_t ProcessGrid::size() const {
  return degrees_.tensor * degrees_.context * degrees_.data * degrees_.pipeline;
}

GridCoordinates ProcessGrid::coordinates(std::int64_t rank) const {
  GridCoordinates at;
  at.tensor = rank % degrees_.tensor;
  rank /= degrees_.tensor;
  at.context = rank % degrees_.context;
  rank /= degrees_.context;
  at.data = rank % degrees_.data;
  at.pipeline = rank / degrees_.data;
  return at;
}

std::int64_t ProcessGrid::rank_of(const GridCoordinates& at) const {
  const std::int64_t replica = at.pipeline * degrees_.data + at.data;
  return (replica * degrees_.context + at.context) * degrees_.tensor + at.tensor;
}

std::vector<std::int64_t> ProcessGrid::group_of(GroupKind kind, std::int64_t rank) const {
  const GridCoordinates own = coordinates(rank);
  if (!is_member(kind, degrees_, own)) {
    return {};
  }
  const Varied varied = varied_in(kind);
  const Range pipeline = pipeline_range(kind, degrees_.pipeline, own.pipeline);
  const Range data = range(varied.data, degrees_.data, own.data);
  const Range context = range(varied.context, degrees_.context, own.context);
  const Range tensor = range(varied.tensor, degrees_.tensor, own.tensor);
  std::vector<std::int64_t> members;
  for (std::int64_t p = pipeline.begin; p < pipeline.end; p += pipeline.step) {
    for (std::int64_t d = data.begin; d < data.end; ++d) {
      for (std::int64_t c = context.begin; c < context.end; ++c) {
        for (std::int64_t t = tensor.begin; t < tensor.end; ++t) {
          members.push_back(rank_of({.tensor = t, .context = c, .data = d, .pipeline = p}));
        }
      }
    }
  }
  return members;
}

std::vector<std::vector<std::int64_t>> ProcessGrid::groups(GroupKind kind) const {
  const Varied varied = varied_in(kind);
  // Every group has one member at the origin of the coordinates that vary.
  const auto is_first = [&](const GridCoordinates& at) {
    return !(varied.tensor && at.tensor != 0) && !(varied.context && at.context != 0) &&
           !(varied.data && at.data != 0) && !(varied.pipeline && at.pipeline != 0);
  };
  std::vector<std::vector<std::int64_t>> all;
  for (std::int64_t rank = 0; rank < size(); ++rank) {
    if (is_first(coordinates(rank))) {
      all.push_back(group_of(kind, rank));
    }
  }
  return all;
}

GroupShape ProcessGrid::shape(GroupKind kind, std::int64_t ranks_per_node) const {
  const std::int64_t stage = size() / degrees_.pipeline;  // ranks of one pipeline stage
  const std::int64_t replica_part = degrees_.tensor * degrees_.context;
  const std::int64_t node = std::min(ranks_per_node, size());
  const auto placed = [&](std::int64_t ranks, std::int64_t nodes, std::int64_t on_node) {
    const std::int64_t together = ceil_div(ranks, nodes);
    return GroupShape{ranks, together, std::max<std::int64_t>(on_node / together, 1)};
  };
  const auto placed_run = [&](Run run) {
    return placed(run.count, nodes_of(run, ranks_per_node, size()), node);
  };
  switch (kind) {
    case GroupKind::tensor:
      return placed_run({degrees_.tensor, 1});
    case GroupKind::context:
      return placed_run({degrees_.context, degrees_.tensor});
    case GroupKind::data:
      return placed_run({degrees_.data, replica_part});
    case GroupKind::data_context:
      return placed_run({degrees_.data * degrees_.context, degrees_.tensor});
    case GroupKind::pipeline:
      return placed_run({degrees_.pipeline, stage});
    case GroupKind::world:
      return placed_run({size(), 1});
    case GroupKind::model: {
      // A contiguous block on every stage: a node holds parts of several stages, or of one.
      const std::int64_t block_nodes = nodes_of({replica_part, 1}, ranks_per_node, size());
      const std::int64_t nodes = stage >= ranks_per_node ? block_nodes * degrees_.pipeline
                                                         : ceil_div(size(), ranks_per_node);
      return placed(replica_part * degrees_.pipeline, nodes, node);
    }
    case GroupKind::embedding: {
      const std::int64_t ranks = std::min<std::int64_t>(degrees_.pipeline, 2);
      const std::int64_t nodes = size() <= ranks_per_node ? 1 : ranks;
      return placed(ranks, nodes, std::min(node, nodes == 1 ? ranks * stage : stage));
    }
  }
  return {};
}

std::string_view name_of(GroupKind kind) {
  for (const auto& [value, name] : names) {
    if (value == kind) {
      return name;
    }
  }
  return {};
}

}  // namespace forerun
