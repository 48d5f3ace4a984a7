// Ranks to coordinates and back: which ranks form the groups of a layout.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "comm/collective_key.hpp"

namespace forerun {

/// `model` = every rank that holds a part of one replica (tp * cp * pp). `data_context`: gradients
/// are reduced over dp * cp. `embedding`: first and last pipeline stage.
enum class GroupKind { tensor, context, data, data_context, pipeline, model, embedding, world };

struct GridDegrees {
  std::int64_t tensor = 1;
  std::int64_t context = 1;
  std::int64_t data = 1;
  std::int64_t pipeline = 1;
};

struct GridCoordinates {
  std::int64_t tensor = 0;
  std::int64_t context = 0;
  std::int64_t data = 0;
  std::int64_t pipeline = 0;
  friend auto operator<=>(const GridCoordinates&, const GridCoordinates&) = default;
};

/// Megatron's default order "tp-cp-ep-dp-pp": tp innermost,
/// rank = ((pp * D + dp) * C + cp) * T + tp.
class ProcessGrid {
 public:
  explicit ProcessGrid(GridDegrees degrees);

  [[nodiscard]] std::int64_t size() const;

  [[nodiscard]] const GridDegrees& degrees() const { return degrees_; }

  [[nodiscard]] GridCoordinates coordinates(std::int64_t rank) const;
  [[nodiscard]] std::int64_t rank_of(const GridCoordinates& at) const;

  /// The members of the group of this kind that `rank` belongs to, ascending.
  [[nodiscard]] std::vector<std::int64_t> group_of(GroupKind kind, std::int64_t rank) const;
  /// Every group of the kind, each rank in exactly one (embedding: middle stages are in none).
  [[nodiscard]] std::vector<std::vector<std::int64_t>> groups(GroupKind kind) const;
  /// Ranks, members per node and groups that share a node, with `ranks_per_node` ranks on a node.
  [[nodiscard]] GroupShape shape(GroupKind kind, std::int64_t ranks_per_node) const;

 private:
  GridDegrees degrees_;
};

[[nodiscard]] std::string_view name_of(GroupKind kind);

}  // namespace forerun
