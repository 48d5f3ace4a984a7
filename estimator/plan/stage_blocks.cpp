// The recomputation by stage of a layout search: as few layers as each stage needs to fit. Stages
// of a pipeline hold different numbers of micro-batches, and what one of them holds does not depend
// on what another recomputes, so each is chosen by itself.
#include <algorithm>
#include <map>
#include <utility>

#include "estimator/plan/layout_search.hpp"
#include "estimator/step/step_pieces.hpp"

namespace forerun {
namespace {

// Whether a policy recomputes just these layers of each stage's chunks.
bool is_same(const RecomputePolicy& policy,
             const StageTables& stages,
             const std::vector<std::int64_t>& layers) {
  if (policy.kind == Recompute::selective) {
    return false;
  }
  for (std::size_t stage = 0; stage < layers.size(); ++stage) {
    const std::int64_t all = largest_chunk(stages, stage);
    if (recomputed_layers(policy, static_cast<std::int64_t>(stage), all) != layers[stage]) {
      return false;
    }
  }
  return true;
}

}  // namespace

// What every stage holds when the first `layers` of each chunk are recomputed.
const std::vector<ActivationPeak>& LayoutSearch::block_peaks(Cell& cell,
                                                             StageTables& stages,
                                                             std::int64_t layers) {
  const auto at = static_cast<std::size_t>(layers);
  cell.block_peaks.resize(std::max(cell.block_peaks.size(), at + 1));
  std::vector<ActivationPeak>& peaks = cell.block_peaks[at];
  if (peaks.empty()) {
    peaks = peaks_of(cell, recomputed_stages(stages, {Recompute::block, {}, layers}));
  }
  return peaks;
}

// Whether stages of a class that recompute so many layers keep the step from being fast enough.
bool LayoutSearch::is_too_slow(const Cell& cell,
                               const StageTables& stages,
                               std::uint32_t stage_class,
                               std::int64_t layers) {
  PartTable& table = tables_.of(job_);
  Seconds least = Seconds::infinite();
  for (const Overlap overlap : space_.overlaps) {
    const Streams streams = streams_of(job_, tables_.pricing(overlap), message_bytes_);
    Seconds busy;
    for (const std::uint32_t plain : stages.classes()[stage_class].content) {
      ChunkContent content = stages.contents()[plain];
      content.recomputed = std::min(layers, content.layers.count);
      const ChunkContent* const taught = job_.teacher ? &stages.taught()[plain] : nullptr;
      const ChunkCost& cost = cost_of(table, content, taught, overlap);
      const PassCosts passes = pass_costs(cost, cell.per_chunk, streams.hidden);
      busy += least_time(passes, Pass::forward) + least_time(passes, Pass::backward) -
              passes.forward_offload - passes.backward_offload;
    }
    least = std::min(least, busy);
  }
  return static_cast<double>(cell.per_chunk) * least > cell.give_up_at;
}

// NOLINTNEXTLINE(readability-function-cognitive-complexity): one search over stages and layers.
LayoutSearch::StageBlocks LayoutSearch::least_blocks(Cell& cell,
                                                     StageTables& stages,
                                                     std::size_t sharding) {
  const auto& states = stages.states(sharding);
  std::map<std::pair<std::uint32_t, std::int64_t>, bool> slow;
  StageBlocks blocks;
  for (std::size_t stage = 0; stage < stages.class_of().size(); ++stage) {
    const std::uint32_t stage_class = stages.class_of()[stage];
    const std::int64_t most = largest_chunk(stages, stage);
    Memory least;
    std::int64_t chosen = 0;
    for (std::int64_t layers = 0; layers <= most && (layers == 0 || !fits(least)); ++layers) {
      if (layers > 0 && cell.give_up_at < Seconds::infinite()) {
        const auto [found, is_new] = slow.try_emplace({stage_class, layers}, false);
        if (is_new) {
          choose(sharding);
          found->second = is_too_slow(cell, stages, stage_class, layers);
        }
        if (found->second) {
          blocks.is_too_slow = true;
          return blocks;
        }
      }
      const Memory memory = memory_of(states[stage_class],
                                      stages.classes()[stage_class],
                                      block_peaks(cell, stages, layers)[stage]);
      if (layers == 0 || fits(memory) || memory.device < least.device) {
        least = memory;
        chosen = layers;
      }
    }
    blocks.layers.push_back(chosen);
    blocks.memory.device = std::max(blocks.memory.device, least.device);
    blocks.memory.host = std::max(blocks.memory.host, least.host);
  }
  return blocks;
}

void LayoutSearch::walk_by_stage(Cell& cell, StageTables& stages) {
  std::map<std::vector<std::int64_t>, std::vector<Finish>> fitting;
  for (const std::size_t sharding : cell.shardings) {
    job_.recipe.recompute = {Recompute::block, {}, 0};
    const StageBlocks blocks = least_blocks(cell, stages, sharding);
    const auto repeats = [&](const RecomputePolicy& policy) {
      return is_same(policy, stages, blocks.layers);
    };
    if (blocks.is_too_slow) {
      cell.result->reject(Reject::lower_bound, as_count(space_.overlaps.size()));
    } else if (std::ranges::any_of(cell.policies, repeats)) {
      cell.result->reject(Reject::duplicate, as_count(space_.overlaps.size()));
    } else if (fits(blocks.memory)) {
      fitting[blocks.layers].push_back({sharding, blocks.memory.device});
    } else {
      job_.recipe.recompute.by_stage = blocks.layers;
      reject_memory(cell, sharding, blocks.memory);
    }
  }
  for (const auto& [layers, finishes] : fitting) {
    job_.recipe.recompute = {Recompute::block, {}, 0, layers};
    const RecomputedStages chunks = recomputed_stages(stages, job_.recipe.recompute);
    for (const Overlap overlap : space_.overlaps) {
      add_variants(cell, chunks, overlap, finishes);
    }
  }
}

}  // namespace forerun
