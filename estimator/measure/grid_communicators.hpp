// The communicators of one layout: the world split into every kind of group that the layout uses.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/process_grid.hpp"
#include "estimator/step/pipeline_schedule.hpp"
#include "jobs/model_shape.hpp"
#include "jobs/parallel_layout.hpp"

namespace forerun {

[[nodiscard]] GridDegrees degrees_of(const ParallelLayout& layout);

/// The kinds of groups that a step of this layout communicates in.
/// Whether the model has experts: their gradients are reduced over other ranks than the rest.
enum class Experts { absent, present };

[[nodiscard]] Experts experts_of(const ModelShape& model);

[[nodiscard]] std::vector<GroupKind> kinds_used(const ParallelLayout& layout,
                                                Experts experts = Experts::absent);

/// Collective: every rank of `world` constructs it with the same layout, whose size is the world's.
class GridCommunicators {
 public:
  GridCommunicators(Communicator& world,
                    const ParallelLayout& layout,
                    const RankOrder& order = megatron_order,
                    Experts experts = Experts::absent);

  [[nodiscard]] const ProcessGrid& grid() const { return grid_; }

  [[nodiscard]] GridCoordinates here() const { return here_; }

  [[nodiscard]] std::int64_t world_rank() const { return world_.rank(); }

  /// The group of this kind, one of `kinds_used`, that this rank belongs to; a middle pipeline
  /// stage has a group of one as its embedding group.
  [[nodiscard]] Communicator& of(GroupKind kind);
  /// The pipeline group for activations or for gradients: with two stages and several chunks both
  /// travel between the same ranks, in orders that do not match.
  [[nodiscard]] Communicator& pipeline(Pass pass);

 private:
  Communicator& world_;
  ProcessGrid grid_;
  GridCoordinates here_;
  std::map<GroupKind, std::unique_ptr<Communicator>> groups_;
  std::unique_ptr<Communicator> gradients_;
};

}  // namespace forerun
