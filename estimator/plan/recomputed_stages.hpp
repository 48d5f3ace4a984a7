// The stages of one layout with what each recomputes, alike ones together.
#pragma once

#include <cstdint>
#include <vector>

#include "estimator/plan/stage_tables.hpp"
#include "jobs/recipe.hpp"

namespace forerun {

/// Stages of one class that recompute alike.
struct StageGroup {
  std::uint32_t stage_class = 0;       ///< index in the classes of StageTables
  std::vector<std::uint32_t> content;  ///< by local chunk
};

struct RecomputedStages {
  std::vector<ChunkContent> contents;
  std::vector<std::uint32_t> seats;  ///< [stage * local chunks + local chunk]: index in `contents`
  std::vector<StageGroup> groups;
  std::vector<std::uint32_t> group_of;  ///< [stage]: index in `groups`
};

/// Under a policy that is legal there.
[[nodiscard]] RecomputedStages recomputed_stages(const StageTables& stages,
                                                 const RecomputePolicy& policy);

/// The layers of the largest chunk of a stage.
[[nodiscard]] std::int64_t largest_chunk(const StageTables& stages, std::size_t stage);

}  // namespace forerun
