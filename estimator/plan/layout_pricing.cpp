// How a layout search prices what its walk finds legal: memory first, then the bound, then the
// step.
#include <algorithm>
#include <limits>
#include <utility>

#include "estimator/plan/layout_search.hpp"
#include "estimator/step/step_pieces.hpp"

namespace forerun {
namespace {

// As many as the vector units take side by side.
constexpr std::size_t batch_size = 8;

// Least durations of one micro-batch through a chunk of some content.
struct LeastPasses {
  Seconds forward;
  Seconds backward;
};

// No pipeline ends before a stage has waited for its first micro-batch to come down the stages
// before it, has run all passes of its own, and has waited for the gradient of its last one to go
// back up. A backward pass in two parts may end with the part that nobody waits for, and what
// travels both ways begins at both ends. `passes` by content.
Seconds least_makespan(const RecomputedStages& chunks,
                       std::span<const LeastPasses> passes,
                       std::span<const Seconds> messages,
                       std::int64_t per_chunk,
                       Schedule schedule) {
  const bool fills = !pairs_passes(schedule);
  const bool drains = fills && !splits_backward(schedule);
  const std::size_t local = chunks.seats.size() / chunks.group_of.size();
  Seconds least;
  Seconds before;
  Seconds after;
  for (std::size_t stage = 0; stage < chunks.group_of.size(); ++stage) {
    const std::size_t first = stage * local;
    Seconds own;
    for (const std::uint32_t content : std::span(chunks.seats).subspan(first, local)) {
      own += passes[content].forward + passes[content].backward;
    }
    least = std::max(least, before + static_cast<double>(per_chunk) * own + after);
    if (stage + 1 < chunks.group_of.size()) {
      const LeastPasses& lowest = passes[chunks.seats[first]];
      before += fills ? lowest.forward + messages[stage] : Seconds();
      after += drains ? lowest.backward + messages[stage] : Seconds();
    }
  }
  constexpr double rounding = 1e-9;
  return (1.0 - rounding) * least;
}

// Of the chunk that recomputes most.
std::int64_t most_recomputed(const RecomputedStages& chunks) {
  return std::ranges::max_element(chunks.contents, {}, &ChunkContent::recomputed)->recomputed;
}

}  // namespace

LayoutSearch::Memory LayoutSearch::memory_of(const StageMemory& state,
                                             const StageClass& stages,
                                             const ActivationPeak& peak) const {
  const StageMemory memory =
      stage_memory(state, job_.teacher ? peak_beside(stages.teacher, peak) : peak, overheads_);
  return {total_of(memory), memory.host};
}

LayoutSearch::Memory LayoutSearch::memory_of(StageTables& stages,
                                             std::size_t sharding,
                                             std::span<const ActivationPeak> peaks) {
  const auto& states = stages.states(sharding);
  Memory most;
  for (std::size_t stage = 0; stage < peaks.size(); ++stage) {
    const std::uint32_t index = stages.class_of()[stage];
    const Memory memory = memory_of(states[index], stages.classes()[index], peaks[stage]);
    most.device = std::max(most.device, memory.device);
    most.host = std::max(most.host, memory.host);
  }
  return most;
}

bool LayoutSearch::fits(const Memory& memory) const {
  return memory.device <= subject_.capacity && memory.host <= subject_.host_capacity;
}

void LayoutSearch::reject_memory(Cell& cell, std::size_t sharding, const Memory& memory) {
  cell.result->reject(Reject::memory, as_count(space_.overlaps.size()));
  Variant variant;
  variant.sequence_parallel = job_.recipe.sequence_parallel;
  variant.recompute = job_.recipe.recompute;
  variant.overlap = space_.overlaps.front();
  variant.offload = job_.recipe.offload;
  cell.result->keep_too_large({Seconds(), memory.device, candidate_of(variant, sharding)});
}

const ChunkCost& LayoutSearch::cost_of(PartTable& table,
                                       const ChunkContent& content,
                                       const ChunkContent* taught,
                                       Overlap overlap) {
  const ChunkCost& cost = table.cost(content, overlap);
  if (taught == nullptr) {
    return cost;
  }
  with_teacher_ = cost;
  with_teacher_.forward += table.taught(*taught, overlap);
  return with_teacher_;
}

// What the pipeline takes at least, whatever overlaps: no step is shorter.
Seconds LayoutSearch::least_step(const Cell& cell, const RecomputedStages& chunks) {
  PartTable& table = tables_.of(job_);
  Seconds least = Seconds::infinite();
  for (const Overlap overlap : space_.overlaps) {
    const Streams streams = streams_of(job_, tables_.pricing(overlap), message_bytes_);
    std::vector<LeastPasses> passes;
    for (std::size_t i = 0; i < chunks.contents.size(); ++i) {
      const PassCosts costs =
          pass_costs(cost_of(table, chunks.contents[i], chunks.taught_beside(i), overlap),
                     cell.per_chunk,
                     streams.hidden);
      // Other recomputation and sharding move less, so that waiting for the host may vanish.
      passes.push_back({least_time(costs, Pass::forward) - costs.forward_offload,
                        least_time(costs, Pass::backward) - costs.backward_offload});
    }
    least = std::min(
        least, least_makespan(chunks, passes, messages_, cell.per_chunk, *job_.recipe.schedule));
  }
  return least;
}

// Of one micro-batch. Pairs of passes hide at most their communication.
Seconds LayoutSearch::least_time(const PassCosts& passes, Pass pass) const {
  const Seconds hidden = pass == Pass::forward ? passes.forward_exchange : passes.backward_exchange;
  const Seconds alone = duration_of(passes, pass);
  return pairs_passes(*job_.recipe.schedule) ? alone - hidden : alone;
}

// What every stage holds at its peak.
std::vector<ActivationPeak> LayoutSearch::peaks_of(const Cell& cell,
                                                   const RecomputedStages& chunks) {
  choose(cell.shardings.front());
  PartTable& table = tables_.of(job_);
  std::vector<ChunkMemory> by_content;
  for (const ChunkContent& content : chunks.contents) {
    by_content.push_back(table.memory(content));
  }
  std::vector<ChunkMemory> seats;
  seats.reserve(chunks.seats.size());
  for (const std::uint32_t content : chunks.seats) {
    seats.push_back(by_content[content]);
  }
  return activation_peaks(*cell.program, seats);
}

// Where so many layers of each chunk take too long, more of them do too.
void LayoutSearch::walk_policies(Cell& cell, StageTables& stages) {
  const std::int64_t each = as_count(cell.shardings.size() * space_.overlaps.size());
  std::int64_t too_many = std::numeric_limits<std::int64_t>::max();
  for (const RecomputePolicy& policy : cell.policies) {
    const bool is_block = policy.kind == Recompute::block && policy.by_stage.empty();
    if (is_block && policy.layers >= too_many) {
      cell.result->reject(Reject::lower_bound, each);
      continue;
    }
    job_.recipe.recompute = policy;
    const RecomputedStages chunks = recomputed_stages(stages, policy);
    choose(cell.shardings.front());
    if (least_step(cell, chunks) > cell.give_up_at) {
      too_many = is_block ? policy.layers : too_many;
      cell.result->reject(Reject::lower_bound, each);
      continue;
    }
    walk_policy(cell, stages, chunks);
  }
}

// What fits of one recomputation policy, and its passes with each overlap.
void LayoutSearch::walk_policy(Cell& cell, StageTables& stages, const RecomputedStages& chunks) {
  const RecomputePolicy& policy = job_.recipe.recompute;
  const bool is_block = policy.kind != Recompute::selective && policy.by_stage.empty();
  const std::vector<ActivationPeak> peaks =
      is_block ? block_peaks(cell, stages, most_recomputed(chunks)) : peaks_of(cell, chunks);
  std::vector<Finish> fitting;
  for (const std::size_t sharding : cell.shardings) {
    const Memory memory = memory_of(stages, sharding, peaks);
    if (fits(memory)) {
      fitting.push_back({sharding, memory.device});
    } else {
      reject_memory(cell, sharding, memory);
    }
  }
  for (const Overlap overlap : space_.overlaps) {
    add_variants(cell, chunks, overlap, fitting);
  }
}

// Shardings that exchange nothing within micro-batches share their passes.
void LayoutSearch::add_variants(Cell& cell,
                                const RecomputedStages& chunks,
                                Overlap overlap,
                                const std::vector<Finish>& fitting) {
  std::vector<Finish> together;
  for (const Finish& one : fitting) {
    choose(one.sharding);
    if (shards_every_micro_batch(job_)) {
      add_variant(cell, chunks, overlap, {one});
    } else {
      together.push_back(one);
    }
  }
  if (!together.empty()) {
    choose(together.front().sharding);
    add_variant(cell, chunks, overlap, std::move(together));
  }
}

void LayoutSearch::add_variant(Cell& cell,
                               const RecomputedStages& chunks,
                               Overlap overlap,
                               std::vector<Finish> finishes) {
  PartTable& table = tables_.of(job_);
  const Streams streams = streams_of(job_, tables_.pricing(overlap), message_bytes_);
  std::vector<PassCosts> passes;
  std::vector<LeastPasses> least;
  std::vector<Cover> forward;
  std::vector<Cover> backward;
  for (std::size_t i = 0; i < chunks.contents.size(); ++i) {
    const ChunkCost& cost = cost_of(table, chunks.contents[i], chunks.taught_beside(i), overlap);
    passes.push_back(pass_costs(cost, cell.per_chunk, streams.hidden));
    least.push_back(
        {least_time(passes.back(), Pass::forward), least_time(passes.back(), Pass::backward)});
    forward.push_back(cover_of(cost.forward));
    backward.push_back(cover_of(cost.backward));
  }
  Variant variant;
  variant.sequence_parallel = job_.recipe.sequence_parallel;
  variant.recompute = job_.recipe.recompute;
  variant.overlap = overlap;
  variant.offload = job_.recipe.offload;
  variant.finishes = std::move(finishes);
  for (const StageGroup& group : chunks.groups) {
    GroupCover cover{group.stage_class, {}, {}};
    for (const std::uint32_t content : chunks.content(group)) {
      cover.forward += forward[content];
      cover.backward += backward[content];
    }
    variant.groups.push_back(cover);
  }
  variant.group_of = chunks.group_of;
  if (least_makespan(chunks, least, messages_, cell.per_chunk, *job_.recipe.schedule) >
      cell.give_up_at) {
    cell.result->reject(Reject::lower_bound, as_count(variant.finishes.size()));
    return;
  }
  Batch& batch = streams.exchange == Exchange::blocking ? blocking_ : overlapped_;
  if (batch.costs.size() == batch.used) {
    batch.costs.emplace_back();
  }
  PipelineCosts& costs = batch.costs[batch.used++];
  costs.exchange = streams.exchange;
  costs.messages = messages_;
  costs.passes.clear();
  for (const std::uint32_t content : chunks.seats) {
    costs.passes.push_back(passes[content]);
  }
  batch.variants.push_back(std::move(variant));
  if (batch.used == batch_size) {
    run(cell, batch);
  }
}

void LayoutSearch::run(Cell& cell, Batch& batch) {
  if (batch.used == 0) {
    return;
  }
  const auto stages = static_cast<std::size_t>(job_.layout.pipeline);
  const std::span<const PipelineCosts> costs(batch.costs.data(), batch.used);
  // Alone a job goes faster than in a register that it does not fill.
  const auto times = batch.used == 1 ? simulate_pipeline(*cell.program, costs.front(), scratch_)
                                     : simulate_pipelines(*cell.program, costs, scratch_);
  for (std::size_t i = 0; i < batch.used; ++i) {
    finish(cell, batch.variants[i], times.subspan(i * stages, stages));
  }
  batch.variants.clear();
  batch.used = 0;
}

// A step ends when the last stage is done with its tail.
void LayoutSearch::finish(Cell& cell, const Variant& variant, std::span<const StageTimes> times) {
  StageTables& tables = stages();
  std::vector<Seconds> last(variant.groups.size());
  for (std::size_t stage = 0; stage < times.size(); ++stage) {
    Seconds& end = last[variant.group_of[stage]];
    end = std::max(end, times[stage].end);
  }
  for (const Finish& one : variant.finishes) {
    const auto& tails = tables.tails(one.sharding, variant.overlap, tables_);
    Seconds step;
    for (std::size_t i = 0; i < last.size(); ++i) {
      const GroupCover& group = variant.groups[i];
      const TailCost tail = tail_cost(tables_.pricing(variant.overlap),
                                      tails[group.stage_class],
                                      group.forward,
                                      group.backward);
      step = std::max(step, last[i] + tail.total());
    }
    ++cell.result->evaluated;
    cell.result->keep({step, one.memory, candidate_of(variant, one.sharding)});
  }
}

}  // namespace forerun
