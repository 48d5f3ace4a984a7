#include "estimator/plan/search_space.hpp"

#include <algorithm>
#include <cmath>

#include "jobs/parameter_count.hpp"

namespace forerun {
namespace {

std::vector<std::int64_t> divisors_up_to(std::int64_t number, std::int64_t most) {
  std::vector<std::int64_t> divisors;
  for (std::int64_t divisor = 1; divisor <= std::min(number, most); ++divisor) {
    if (number % divisor == 0) {
      divisors.push_back(divisor);
    }
  }
  return divisors;
}

// The expert degrees of a layout without them.
void add_experts(const ModelShape& model,
                 const ParallelLayout& layout,
                 std::vector<ParallelLayout>& layouts) {
  if (!model.moe) {
    layouts.push_back(layout);
    return;
  }
  const std::int64_t ranks = layout.tensor * layout.context * layout.data;
  for (const std::int64_t expert : divisors_up_to(model.moe->experts, ranks)) {
    for (const std::int64_t expert_tensor : divisors_up_to(layout.tensor, layout.tensor)) {
      ParallelLayout one = layout;
      one.expert = expert;
      one.expert_tensor = expert_tensor;
      layouts.push_back(one);
    }
  }
}

}  // namespace

std::vector<ParallelLayout> every_layout(const ModelShape& model,
                                         std::int64_t devices,
                                         const SpaceLimits& limits) {
  std::vector<ParallelLayout> layouts;
  const std::int64_t chunks = model.layers + 2;
  for (const std::int64_t tensor : divisors_up_to(devices, limits.tensor)) {
    for (const std::int64_t context : divisors_up_to(devices / tensor, limits.context)) {
      for (const std::int64_t pipeline : divisors_up_to(devices / tensor / context, chunks)) {
        ParallelLayout layout;
        layout.tensor = tensor;
        layout.context = context;
        layout.pipeline = pipeline;
        layout.data = devices / tensor / context / pipeline;
        const std::int64_t most = pipeline > 1 ? chunks / pipeline : 1;
        for (layout.virtual_pipeline = 1; layout.virtual_pipeline <= most;
             ++layout.virtual_pipeline) {
          add_experts(model, layout, layouts);
        }
      }
    }
  }
  return layouts;
}

std::vector<std::int64_t> every_micro_batch(std::int64_t batch, const SpaceLimits& limits) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t size = 1; size <= limits.micro_batch && batch % size == 0; size *= 2) {
    sizes.push_back(size);
  }
  return sizes;
}

std::vector<Schedule> every_schedule() {
  return {Schedule::one_f_one_b,
          Schedule::interleaved,
          Schedule::zb_h1,
          Schedule::zb_v,
          Schedule::dualpipe,
          Schedule::dualpipe_v};
}

std::vector<Sharding> every_sharding(std::int64_t devices_per_node) {
  std::vector<Sharding> shardings{{ZeroStage::none, 0},
                                  {ZeroStage::optimizer, 0},
                                  {ZeroStage::gradients, 0},
                                  {ZeroStage::parameters, 0}};
  if (devices_per_node > 1) {
    shardings.push_back({ZeroStage::parameters, node_group});
  }
  return shardings;
}

std::vector<StageSplit> several_stage_splits(const ModelShape& model) {
  constexpr std::int64_t most = 3;
  const auto table = static_cast<double>(model.vocabulary * model.hidden);
  const double tables = (model.tied_embeddings ? 1.0 : 2.0) * table;
  const double layers = static_cast<double>(count_parameters(model).active) - tables;
  const double worth = table * static_cast<double>(model.layers) / std::max(layers, 1.0);
  const std::int64_t heads = std::clamp<std::int64_t>(std::llround(std::min(worth, 10.0)), 1, most);
  std::vector<StageSplit> splits{StageSplit{}};
  for (std::int64_t embedding = 0; embedding <= 1; ++embedding) {
    for (std::int64_t head = 0; head <= heads; ++head) {
      splits.push_back({StageSplit::Kind::counted, embedding, head, {}});
    }
  }
  return splits;
}

RecomputeChoices every_recompute() {
  return {{{Recompute::none, {}, 0}, {Recompute::selective, {}, 0}, {Recompute::full, {}, 0}},
          true,
          true};
}

std::vector<RecomputePolicy> policies_of(const RecomputeChoices& choices,
                                         std::int64_t layers,
                                         const ParallelLayout& layout) {
  std::vector<RecomputePolicy> policies = choices.policies;
  if (choices.every_block) {
    // A chunk of `most` layers all recomputed is `full`.
    const std::int64_t chunks = layout.pipeline * layout.virtual_pipeline;
    const std::int64_t most = (layers + chunks - 1) / chunks;
    for (std::int64_t count = 1; count < most; ++count) {
      policies.push_back({Recompute::block, {}, count});
    }
  }
  return policies;
}

std::int64_t recomputations_of(const RecomputeChoices& choices,
                               std::int64_t layers,
                               const ParallelLayout& layout) {
  const bool differs = choices.least_by_stage && layout.pipeline > 1;
  return std::ssize(policies_of(choices, layers, layout)) + (differs ? 1 : 0);
}

std::int64_t size_of(const SearchSpace& space, std::int64_t layers) {
  const auto others = static_cast<std::int64_t>(
      space.micro_batches.size() * space.schedules.size() * space.sequence_parallel.size() *
      space.shardings.size() * space.overlaps.size() * space.stage_splits.size() *
      space.offloads.size());
  std::int64_t size = 0;
  for (const ParallelLayout& layout : space.layouts) {
    size += others * recomputations_of(space.recompute, layers, layout);
  }
  return size;
}

}  // namespace forerun
