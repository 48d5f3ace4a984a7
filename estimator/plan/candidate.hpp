// One way to run a job: what a search chooses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "estimator/step/part_cost.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// As `Sharding::group`: the replicas of a node, as many as the layout puts there.
inline constexpr std::int64_t node_group = -1;

/// ZeRO stage and, for stage 3, HSDP's group (0: all replicas).
struct Sharding {
  ZeroStage zero = ZeroStage::optimizer;
  std::int64_t group = 0;
  friend auto operator<=>(const Sharding&, const Sharding&) = default;
};

/// Ordered by what it chooses, so that ties are broken alike everywhere.
struct Candidate {
  ParallelLayout layout;
  std::int64_t micro_batch = 1;
  Schedule schedule = Schedule::one_f_one_b;
  SequenceParallel sequence_parallel = SequenceParallel::on;
  Sharding sharding;
  Recompute recompute = Recompute::none;
  std::int64_t recomputed_layers = 0;                  ///< of `block`
  std::vector<std::int64_t> recomputed_by_stage = {};  ///< likewise, where stages differ
  int modules = 0;  ///< of `selective`: which of the search's module sets
  Overlap overlap = Overlap::on;
  int stage_split = 0;  ///< which of the search's
  Offload offload;

  friend auto operator<=>(const Candidate&, const Candidate&) = default;
};

/// The device groups that tell layouts apart for a reader: the top of a plan shows one of each.
struct LayoutShape {
  std::int64_t tensor = 1;
  std::int64_t context = 1;
  std::int64_t pipeline = 1;
  std::int64_t expert = 1;
  std::int64_t expert_tensor = 1;
  std::int64_t data = 1;
  friend auto operator<=>(const LayoutShape&, const LayoutShape&) = default;
};

[[nodiscard]] inline LayoutShape shape_of(const ParallelLayout& layout) {
  return {layout.tensor,
          layout.context,
          layout.pipeline,
          layout.expert,
          layout.expert_tensor,
          layout.data};
}

}  // namespace forerun
