// What a search walks: the layouts, and the values of every other choice.
#pragma once

#include <cstdint>
#include <vector>

#include "estimator/plan/candidate.hpp"

namespace forerun {

/// A choice of recomputation. `every_block`: block:N for every N that a layout's chunks allow,
/// short of all their layers. `least_by_stage`: on a pipeline also the block:N+N+... in which every
/// stage recomputes the fewest layers with which it fits. Where nothing is offloaded no other list
/// is faster: passes that take longer end no pipeline earlier.
struct RecomputeChoices {
  std::vector<RecomputePolicy> policies;
  bool every_block = false;
  bool least_by_stage = false;
};

struct SearchSpace {
  std::vector<ParallelLayout> layouts;  ///< distinct, in the order in which they are walked
  std::vector<std::int64_t> micro_batches;
  std::vector<Schedule> schedules;
  std::vector<SequenceParallel> sequence_parallel;
  std::vector<Sharding> shardings;
  RecomputeChoices recompute;
  std::vector<Overlap> overlaps;
  std::vector<StageSplit> stage_splits = {StageSplit{}};
  std::vector<Offload> offloads{Offload()};
};

/// The largest degrees of a space that nobody limits.
struct SpaceLimits {
  std::int64_t tensor = 16;
  std::int64_t context = 32;
  std::int64_t micro_batch = 16;
};

/// Every tp, cp, pp, vp, ep, etp, dp whose product is `devices`: tp and cp up to their limits, pp *
/// vp up to the layers plus two (embedding and head alone), ep over divisors of the experts, etp
/// over divisors of tp. In ascending order of (tp, cp, pp, vp, ep, etp).
[[nodiscard]] std::vector<ParallelLayout> every_layout(const ModelShape& model,
                                                       std::int64_t devices,
                                                       const SpaceLimits& limits = {});

/// Powers of two up to the limit that divide the batch.
[[nodiscard]] std::vector<std::int64_t> every_micro_batch(std::int64_t batch,
                                                          const SpaceLimits& limits = {});

/// 1F1B, interleaved, ZB-H1, ZB-V, DualPipe and DualPipeV.
[[nodiscard]] std::vector<Schedule> every_schedule();

/// ZeRO 0 to 3, and HSDP over the replicas of a node where there are several and more outside.
[[nodiscard]] std::vector<Sharding> every_sharding(std::int64_t devices_per_node);

/// Even, and the ends counted as layers: the embedding as none or one, the head as up to what its
/// weights are of those that a token uses in a layer, rounded, at least one and at most three.
[[nodiscard]] std::vector<StageSplit> several_stage_splits(const ModelShape& model);

/// None, selective (core attention), full, every block, and the least by stage.
[[nodiscard]] RecomputeChoices every_recompute();

/// The policies of one layout that say how many layers: `choices` with its blocks spelled out.
[[nodiscard]] std::vector<RecomputePolicy> policies_of(const RecomputeChoices& choices,
                                                       std::int64_t layers,
                                                       const ParallelLayout& layout);

/// How many ways of recomputation one layout has: its policies, and the least by stage.
[[nodiscard]] std::int64_t recomputations_of(const RecomputeChoices& choices,
                                             std::int64_t layers,
                                             const ParallelLayout& layout);

/// How many candidates the space has: for every layout the product of its choices.
[[nodiscard]] std::int64_t size_of(const SearchSpace& space, std::int64_t layers);

}  // namespace forerun
