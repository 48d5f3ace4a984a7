// Ranks to coordinates and back: which ranks form the groups of a layout, and on which nodes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "comm/collective_key.hpp"

namespace forerun {

/// `model` = every rank that holds a part of one replica (tp * cp * pp). `data_context`: gradients
/// are reduced over dp * cp. `embedding`: first and last pipeline stage. `expert`: ranks that hold
/// different experts and exchange tokens; `expert_tensor`: parts of the same experts;
/// `expert_data`: the same parts of the same experts, whose gradients are summed.
enum class GroupKind {
  tensor,
  context,
  data,
  data_context,
  pipeline,
  model,
  embedding,
  world,
  expert,
  expert_tensor,
  expert_data
};

/// One axis of the grid. Experts refold the ranks of a stage: expert_tensor lies where tensor does
/// in the order, expert_data where data does.
enum class GridDimension { tensor, context, expert, data, pipeline };

/// Innermost first: neighbouring ranks differ in the first dimension.
using RankOrder = std::array<GridDimension, 5>;

/// Megatron's default, "tp-cp-ep-dp-pp".
inline constexpr RankOrder megatron_order{GridDimension::tensor,
                                          GridDimension::context,
                                          GridDimension::expert,
                                          GridDimension::data,
                                          GridDimension::pipeline};

/// Reads "tp-cp-ep-dp-pp": each of the five once, innermost first. Throws InputError at `where`.
[[nodiscard]] RankOrder rank_order_from(std::string_view text,
                                        std::string_view where = "--rank-order");
[[nodiscard]] std::string text_of(const RankOrder& order);

/// world = tensor * context * data * pipeline = expert_tensor * expert * expert_data * pipeline.
struct GridDegrees {
  std::int64_t tensor = 1;
  std::int64_t context = 1;
  std::int64_t data = 1;
  std::int64_t pipeline = 1;
  std::int64_t expert = 1;
  std::int64_t expert_tensor = 1;
};

struct GridCoordinates {
  std::int64_t tensor = 0;
  std::int64_t context = 0;
  std::int64_t data = 0;
  std::int64_t pipeline = 0;
  friend auto operator<=>(const GridCoordinates&, const GridCoordinates&) = default;
};

/// The same rank as its experts see it.
struct ExpertCoordinates {
  std::int64_t expert_tensor = 0;
  std::int64_t expert = 0;
  std::int64_t expert_data = 0;
  std::int64_t pipeline = 0;
  friend auto operator<=>(const ExpertCoordinates&, const ExpertCoordinates&) = default;
};

/// The ranks of a layout. In Megatron's order rank = ((pp * D + dp) * C + cp) * T + tp. Experts
/// fold the ranks of each stage, numbered from 0, anew: in that order (edp * EP + ep) * ETP + etp.
class ProcessGrid {
 public:
  /// Throws std::invalid_argument for a degree below 1, and InputError when etp * ep does not
  /// divide tp * cp * dp.
  explicit ProcessGrid(GridDegrees degrees, RankOrder order = megatron_order);

  [[nodiscard]] std::int64_t size() const;

  [[nodiscard]] const GridDegrees& degrees() const { return degrees_; }

  [[nodiscard]] const RankOrder& order() const { return order_; }

  /// Ranks that hold the same part of the same experts: tp * cp * dp / (etp * ep).
  [[nodiscard]] std::int64_t expert_data() const;

  [[nodiscard]] GridCoordinates coordinates(std::int64_t rank) const;
  [[nodiscard]] ExpertCoordinates expert_coordinates(std::int64_t rank) const;
  [[nodiscard]] std::int64_t rank_of(const GridCoordinates& at) const;
  [[nodiscard]] std::int64_t rank_of(const ExpertCoordinates& at) const;

  /// The members of the group of this kind that `rank` belongs to, ascending.
  [[nodiscard]] std::vector<std::int64_t> group_of(GroupKind kind, std::int64_t rank) const;
  /// Every group of the kind, each rank in exactly one (embedding: middle stages are in none).
  [[nodiscard]] std::vector<std::vector<std::int64_t>> groups(GroupKind kind) const;
  /// Ranks, members per node and groups that share a node, with `ranks_per_node` ranks on a node;
  /// of the worst-placed group of the kind.
  [[nodiscard]] GroupShape shape(GroupKind kind, std::int64_t ranks_per_node) const;

 private:
  /// `count` ranks at distance `stride`.
  struct Axis {
    std::int64_t count = 1;
    std::int64_t stride = 1;
  };

  struct Axes {
    Axis tensor, context, data, pipeline;
  };

  /// Within the ranks of a stage, numbered from 0.
  struct ExpertAxes {
    Axis expert_tensor, expert, expert_data;
  };

  /// At most four; a layout search asks for shapes too often to allocate.
  struct AxisList {
    std::array<Axis, 4> axes;
    std::size_t length = 0;

    void add(const Axis& axis) { axes.at(length++) = axis; }

    // Not of a temporary: a loop over its span would outlive the list.
    [[nodiscard]] std::span<const Axis> all() const& { return std::span(axes).first(length); }

    [[nodiscard]] std::span<const Axis> all() const&& = delete;
  };

  [[nodiscard]] AxisList axes_of(GroupKind kind) const;
  [[nodiscard]] std::int64_t index_in_stage(std::int64_t rank) const;
  [[nodiscard]] std::int64_t rank_at(std::int64_t index_in_stage, std::int64_t stage) const;
  [[nodiscard]] std::int64_t first_of(GroupKind kind, std::int64_t rank) const;
  [[nodiscard]] bool folds_by_stage(GroupKind kind) const;
  static AxisList merged(AxisList axes);
  [[nodiscard]] std::int64_t counted_nodes(GroupKind kind, std::int64_t ranks_per_node) const;
  [[nodiscard]] std::int64_t worst_nodes(GroupKind kind, std::int64_t ranks_per_node) const;
  static std::int64_t nodes_of(std::span<const Axis> axes, std::int64_t node, std::int64_t size);

  GridDegrees degrees_;
  RankOrder order_;
  Axes axes_;
  ExpertAxes expert_axes_;
};

/// A group, and the node of each of its members.
struct PlacedGroup {
  std::vector<std::int64_t> ranks;
  std::vector<std::string> nodes;
};

/// Every group of the kind with its members' nodes; `nodes` holds the node of each rank.
[[nodiscard]] std::vector<PlacedGroup> placed_groups(const ProcessGrid& grid,
                                                     GroupKind kind,
                                                     std::span<const std::string> nodes);

[[nodiscard]] std::string_view name_of(GroupKind kind);
[[nodiscard]] std::span<const GroupKind> all_group_kinds();

}  // namespace forerun
