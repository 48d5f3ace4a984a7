// The stages of one layout with what each recomputes, alike ones together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "estimator/plan/stage_tables.hpp"
#include "jobs/recipe.hpp"

namespace forerun {

/// Stages of one class that recompute alike.
struct StageGroup {
  std::uint32_t stage_class = 0;  ///< index in the classes of StageTables
  std::uint32_t stage = 0;        ///< one of them
};

struct RecomputedStages {
  std::vector<ChunkContent> contents;
  std::vector<ChunkContent> taught;  ///< the teacher's chunks that lie with them; empty without one
  std::vector<std::uint32_t> seats;  ///< [stage * local chunks + local chunk]: index in `contents`
  std::vector<StageGroup> groups;
  std::vector<std::uint32_t> group_of;  ///< [stage]: index in `groups`

  /// The teacher's chunk, or null.
  [[nodiscard]] const ChunkContent* taught_beside(std::size_t content) const {
    return taught.empty() ? nullptr : &taught[content];
  }

  /// Of the group's chunks, by local chunk: indices in `contents`.
  [[nodiscard]] std::span<const std::uint32_t> content(const StageGroup& group) const {
    const std::size_t local = seats.size() / group_of.size();
    return std::span(seats).subspan(group.stage * local, local);
  }
};

/// Under a policy that is legal there.
[[nodiscard]] RecomputedStages recomputed_stages(const StageTables& stages,
                                                 const RecomputePolicy& policy);

/// The layers of the largest chunk of a stage.
[[nodiscard]] std::int64_t largest_chunk(const StageTables& stages, std::size_t stage);

}  // namespace forerun
