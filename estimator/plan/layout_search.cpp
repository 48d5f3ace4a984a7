#include "estimator/plan/layout_search.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "estimator/step/step_pieces.hpp"
#include "jobs/chunk_placement.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// As many as the vector units take side by side.
constexpr std::size_t batch_size = 8;
// Programs that are kept, in steps of 16 bytes: a quarter of a gigabyte.
constexpr std::size_t most_kept_steps = 16'000'000;

Reject reject_of(Rule rule) {
  return static_cast<Reject>(static_cast<int>(rule));
}

// Nobody else holds the same weights: there is nothing to shard.
bool has_one_replica(const Job& job) {
  const bool has_experts_alike = job.model.moe && expert_replicas(job.layout) > 1;
  return job.layout.data * job.layout.context == 1 && !has_experts_alike;
}

std::int64_t as_count(std::size_t size) {
  return static_cast<std::int64_t>(size);
}

// The busiest stage's share of one micro-batch; `busy` by content.
Seconds busiest_of(StageTables& stages, std::span<const Seconds> busy) {
  Seconds most;
  for (const StageClass& one : stages.classes()) {
    Seconds sum;
    for (const std::uint32_t content : one.content) {
      sum += busy[content];
    }
    most = std::max(most, sum);
  }
  return most;
}

}  // namespace

LayoutSearch::LayoutSearch(const PlanSubject& subject, const SearchSpace& space)
    : subject_(subject), space_(space), tables_(subject), job_{subject.model, subject.recipe, {}} {}

Job LayoutSearch::job_of(const Candidate& candidate) const {
  Job job{subject_.model, subject_.recipe, candidate.layout};
  job.recipe.micro_batch = candidate.micro_batch;
  job.recipe.schedule = candidate.schedule;
  job.recipe.stage_split = space_.stage_splits[static_cast<std::size_t>(candidate.stage_split)];
  job.recipe.sequence_parallel = candidate.sequence_parallel;
  job.recipe.zero = candidate.sharding.zero;
  job.recipe.shard_group = candidate.sharding.group;
  job.recipe.recompute = {
      candidate.recompute, modules_of(candidate.modules), candidate.recomputed_layers};
  job.recipe.offload = candidate.offload;
  return job;
}

Candidate LayoutSearch::candidate_of(const Variant& variant, std::size_t sharding) const {
  Candidate candidate;
  candidate.layout = job_.layout;
  candidate.micro_batch = job_.recipe.micro_batch;
  candidate.schedule = *job_.recipe.schedule;
  candidate.sequence_parallel = variant.sequence_parallel;
  candidate.sharding = shardings_[sharding];
  candidate.recompute = variant.recompute.kind;
  candidate.recomputed_layers = variant.recompute.layers;
  candidate.modules = bits_of(variant.recompute.modules);
  candidate.overlap = variant.overlap;
  candidate.stage_split = stage_split_;
  candidate.offload = variant.offload;
  return candidate;
}

void LayoutSearch::choose(std::size_t sharding) {
  job_.recipe.zero = shardings_[sharding].zero;
  job_.recipe.shard_group = shardings_[sharding].group;
}

void LayoutSearch::walk(const ParallelLayout& layout, Seconds give_up_at, SearchResult& result) {
  job_.layout = layout;
  stages_.clear();
  overheads_ = subject_.overheads(layout);
  // HSDP shards over the replicas on a node.
  shardings_ = space_.shardings;
  for (Sharding& sharding : shardings_) {
    if (sharding.group == node_group) {
      sharding.group = std::max<std::int64_t>(
          1, subject_.placement.devices_per_node / (layout.tensor * layout.context));
    }
  }
  const auto policies = policies_of(space_.recompute, subject_.model.layers, layout);
  const std::int64_t each =
      as_count(space_.micro_batches.size() * policies.size() * space_.sequence_parallel.size() *
               shardings_.size() * space_.overlaps.size() * space_.offloads.size());
  for (std::size_t split = 0; split < space_.stage_splits.size(); ++split) {
    stage_split_ = static_cast<int>(split);
    job_.recipe.stage_split = space_.stage_splits[split];
    stages_.clear();
    for (const Schedule schedule : space_.schedules) {
      job_.recipe.schedule = schedule;
      walk_schedule(each, give_up_at, result);
    }
  }
}

// Whether an earlier split cuts the layers as this one does.
bool LayoutSearch::repeats_split() const {
  const std::int64_t chunks = model_chunks(job_);
  const auto earlier = std::span(space_.stage_splits).first(static_cast<std::size_t>(stage_split_));
  const auto layers = chunk_layers(job_);
  return std::ranges::any_of(earlier, [&](const StageSplit& split) {
    return !unsuitable_because(split, subject_.model.layers, chunks) &&
           assign_layers(subject_.model.layers, chunks, split) == layers;
  });
}

void LayoutSearch::walk_schedule(std::int64_t candidates,
                                 Seconds give_up_at,
                                 SearchResult& result) {
  result.enumerated += candidates;
  job_.recipe.recompute = {};
  job_.recipe.offload = {};
  job_.recipe.micro_batch = space_.micro_batches.front();
  choose(0);
  if (const auto broken = broken_rule(job_); broken && broken->rule <= Rule::stages) {
    result.reject(reject_of(broken->rule), candidates);
    return;
  }
  if (const auto reason = unsupported_because(job_)) {
    result.reject(Reject::not_modelled, candidates);
    result.not_modelled[*reason] += candidates;
    return;
  }
  Cell cell;
  cell.give_up_at = give_up_at;
  cell.result = &result;
  cell.repeats_split = repeats_split();
  const auto policies = policies_of(space_.recompute, subject_.model.layers, job_.layout);
  const std::int64_t per_policy = candidates / as_count(policies.size());
  for (const RecomputePolicy& policy : policies) {
    job_.recipe.recompute = policy;
    if (const auto broken = broken_rule(job_); broken && broken->rule == Rule::recompute) {
      result.reject(Reject::recompute, per_policy);
    } else {
      cell.policies.push_back(policy);
    }
  }
  job_.recipe.recompute = {};
  const std::int64_t per_micro_batch =
      per_policy * as_count(cell.policies.size()) / as_count(space_.micro_batches.size());
  for (const std::int64_t micro_batch : space_.micro_batches) {
    job_.recipe.micro_batch = micro_batch;
    if (const auto broken = broken_rule(job_); broken && broken->rule <= Rule::batch) {
      result.reject(Reject::batch, per_micro_batch);
    } else {
      walk_cell(cell);
    }
  }
}

// The shardings that the sequence parallelism at hand allows and that differ from one another.
std::vector<std::size_t> LayoutSearch::legal_shardings(const Cell& cell) {
  const std::int64_t each = as_count(cell.policies.size() * space_.overlaps.size());
  const std::int64_t replicas = job_.layout.data * job_.layout.context;
  const bool repeats_sequence =
      job_.layout.tensor == 1 && job_.recipe.sequence_parallel != space_.sequence_parallel.front();
  // Without a pipeline there is nothing to schedule.
  const bool repeats_schedule =
      job_.layout.pipeline == 1 && *job_.recipe.schedule != plain_schedule();
  const bool is_alone = has_one_replica(job_);
  std::vector<std::size_t> legal;
  for (std::size_t i = 0; i < shardings_.size(); ++i) {
    choose(i);
    const bool is_whole = shardings_[i].group >= replicas || shardings_[i].group == 0;
    const auto same = [&](std::size_t other) {
      return is_alone || (shardings_[other].zero == shardings_[i].zero &&
                          (shardings_[other].group == shardings_[i].group ||
                           (is_whole && shardings_[other].group == 0)));
    };
    if (const auto broken = broken_rule(job_)) {
      cell.result->reject(reject_of(broken->rule), each);
    } else if (const auto reason = unsupported_because(job_)) {
      cell.result->reject(Reject::not_modelled, each);
      cell.result->not_modelled[*reason] += each;
    } else if (cell.repeats_split || repeats_sequence || repeats_schedule ||
               std::ranges::any_of(legal, same)) {
      cell.result->reject(Reject::duplicate, each);
    } else {
      legal.push_back(i);
    }
  }
  return legal;
}

// The first of the space that runs one chunk on one stage.
Schedule LayoutSearch::plain_schedule() const {
  constexpr std::array plain{Schedule::one_f_one_b,
                             Schedule::gpipe,
                             Schedule::breadth_first,
                             Schedule::zb_h1,
                             Schedule::zb_h2};
  const auto first = std::ranges::find_first_of(space_.schedules, plain);
  return first == space_.schedules.end() ? *job_.recipe.schedule : *first;
}

StageTables& LayoutSearch::stages() {
  auto& tables = stages_[{
      placement_of(*job_.recipe.schedule), job_.recipe.sequence_parallel, job_.recipe.offload}];
  if (!tables) {
    tables = std::make_unique<StageTables>(job_, subject_, shardings_);
  }
  return *tables;
}

const PipelineProgram& LayoutSearch::program(Schedule schedule, const PipelineShape& shape) {
  const auto found = programs_.find({schedule, shape});
  if (found != programs_.end()) {
    return found->second;
  }
  if (program_steps_ > most_kept_steps) {
    programs_.clear();
    program_steps_ = 0;
  }
  PipelineProgram made = pipeline_program(schedule, shape);
  program_steps_ += made.steps.size();
  return programs_.emplace(std::pair{schedule, shape}, std::move(made)).first->second;
}

void LayoutSearch::walk_cell(Cell& cell) {
  cell.program = nullptr;
  cell.per_chunk = micro_batches_per_chunk(job_);
  for (const SequenceParallel sequence_parallel : space_.sequence_parallel) {
    job_.recipe.sequence_parallel = sequence_parallel;
    for (const Offload& offload : space_.offloads) {
      job_.recipe.offload = offload;
      walk_passes(cell);
    }
  }
  job_.recipe.offload = {};
  job_.recipe.sequence_parallel = space_.sequence_parallel.front();
  choose(0);
}

// With the sequence parallelism and the offloading at hand.
void LayoutSearch::walk_passes(Cell& cell) {
  const auto shardings = legal_shardings(cell);
  if (shardings.empty()) {
    return;
  }
  StageTables& tables = stages();
  choose(shardings.front());
  PricedStages priced;
  const WorkBuilder builder(job_, subject_.placement);
  price_messages(builder, tables_.pricing(Overlap::on), priced);
  messages_ = std::move(priced.messages);
  const auto boundaries = builder.boundaries();
  message_bytes_ = boundaries.empty() ? 0 : boundaries.front().message.bytes;
  // Whatever is recomputed comes on top.
  if (least_step(cell, tables) > cell.give_up_at) {
    cell.result->reject(Reject::lower_bound,
                        as_count(cell.policies.size() * shardings.size() * space_.overlaps.size()));
    return;
  }
  if (cell.program == nullptr) {
    cell.program = &program(*job_.recipe.schedule, pipeline_shape(job_));
  }
  for (const RecomputePolicy& policy : cell.policies) {
    job_.recipe.recompute = policy;
    walk_policy(cell, tables, shardings);
  }
  // What is left over shares these messages.
  run(cell, blocking_);
  run(cell, overlapped_);
  job_.recipe.recompute = {};
}

LayoutSearch::Memory LayoutSearch::memory_of(StageTables& stages,
                                             std::size_t sharding,
                                             std::span<const ActivationPeak> peaks) {
  const auto& states = stages.states(sharding);
  Memory most;
  for (std::size_t stage = 0; stage < peaks.size(); ++stage) {
    const StageMemory& state = states[stages.class_of()[stage]];
    const StageMemory memory = stage_memory(state, peaks[stage], overheads_);
    most.device = std::max(most.device, total_of(memory));
    most.host = std::max(most.host, memory.host);
  }
  return most;
}

// What the busiest stage is busy with, whatever overlaps: no step is shorter.
Seconds LayoutSearch::least_step(const Cell& cell, StageTables& stages) {
  PartTable& table = tables_.of(job_);
  Seconds least = Seconds::infinite();
  for (const Overlap overlap : space_.overlaps) {
    const Streams streams = streams_of(job_, tables_.pricing(overlap), message_bytes_);
    std::vector<Seconds> busy;
    for (const ChunkContent& content : stages.contents()) {
      const PassCosts passes =
          pass_costs(table.cost(content.layers, content.embedding, content.head, overlap),
                     cell.per_chunk,
                     streams.hidden);
      // Other recomputation and sharding move less, so that waiting for the host may vanish.
      busy.push_back(least_time(passes) - passes.forward_offload - passes.backward_offload);
    }
    least = std::min(least, static_cast<double>(cell.per_chunk) * busiest_of(stages, busy));
  }
  return least;
}

// Forward and backward pass of one micro-batch. Pairs of passes hide at most their communication.
Seconds LayoutSearch::least_time(const PassCosts& passes) const {
  const Seconds alone = duration_of(passes, Pass::forward) + duration_of(passes, Pass::backward);
  return pairs_passes(*job_.recipe.schedule)
             ? alone - passes.forward_communication - passes.backward_communication
             : alone;
}

// What fits of one recomputation policy, and its passes with each overlap.
void LayoutSearch::walk_policy(Cell& cell,
                               StageTables& stages,
                               const std::vector<std::size_t>& shardings) {
  choose(shardings.front());
  if (least_step(cell, stages) > cell.give_up_at) {
    cell.result->reject(Reject::lower_bound, as_count(shardings.size() * space_.overlaps.size()));
    return;
  }
  PartTable& table = tables_.of(job_);
  std::vector<ChunkMemory> by_content;
  for (const ChunkContent& content : stages.contents()) {
    by_content.push_back(table.memory(content.layers, content.embedding, content.head));
  }
  std::vector<ChunkMemory> chunks;
  chunks.reserve(stages.seats().size());
  for (const std::uint32_t content : stages.seats()) {
    chunks.push_back(by_content[content]);
  }
  const auto peaks = activation_peaks(*cell.program, chunks);
  std::vector<Finish> fitting;
  for (const std::size_t sharding : shardings) {
    const Memory memory = memory_of(stages, sharding, peaks);
    if (memory.device <= subject_.capacity && memory.host <= subject_.host_capacity) {
      fitting.push_back({sharding, memory.device});
      continue;
    }
    cell.result->reject(Reject::memory, as_count(space_.overlaps.size()));
    Variant variant;
    variant.sequence_parallel = job_.recipe.sequence_parallel;
    variant.recompute = job_.recipe.recompute;
    variant.overlap = space_.overlaps.front();
    variant.offload = job_.recipe.offload;
    cell.result->keep_too_large({Seconds(), memory.device, candidate_of(variant, sharding)});
  }
  for (const Overlap overlap : space_.overlaps) {
    add_variants(cell, stages, overlap, fitting);
  }
}

// Shardings that exchange nothing within micro-batches share their passes.
void LayoutSearch::add_variants(Cell& cell,
                                StageTables& stages,
                                Overlap overlap,
                                const std::vector<Finish>& fitting) {
  std::vector<Finish> together;
  for (const Finish& one : fitting) {
    choose(one.sharding);
    if (shards_every_micro_batch(job_)) {
      add_variant(cell, stages, overlap, {one});
    } else {
      together.push_back(one);
    }
  }
  if (!together.empty()) {
    choose(together.front().sharding);
    add_variant(cell, stages, overlap, std::move(together));
  }
}

void LayoutSearch::add_variant(Cell& cell,
                               StageTables& stages,
                               Overlap overlap,
                               std::vector<Finish> finishes) {
  PartTable& table = tables_.of(job_);
  const Streams streams = streams_of(job_, tables_.pricing(overlap), message_bytes_);
  std::vector<PassCosts> passes;
  std::vector<Seconds> busy;
  std::vector<Cover> forward;
  std::vector<Cover> backward;
  for (const ChunkContent& content : stages.contents()) {
    const ChunkCost cost = table.cost(content.layers, content.embedding, content.head, overlap);
    passes.push_back(pass_costs(cost, cell.per_chunk, streams.hidden));
    busy.push_back(least_time(passes.back()));
    forward.push_back(cover_of(cost.forward));
    backward.push_back(cover_of(cost.backward));
  }
  Variant variant;
  variant.sequence_parallel = job_.recipe.sequence_parallel;
  variant.recompute = job_.recipe.recompute;
  variant.overlap = overlap;
  variant.offload = job_.recipe.offload;
  variant.finishes = std::move(finishes);
  for (const StageClass& one : stages.classes()) {
    Cover all_forward;
    Cover all_backward;
    for (const std::uint32_t content : one.content) {
      all_forward += forward[content];
      all_backward += backward[content];
    }
    variant.forward.push_back(all_forward);
    variant.backward.push_back(all_backward);
  }
  if (static_cast<double>(cell.per_chunk) * busiest_of(stages, busy) > cell.give_up_at) {
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
  for (const std::uint32_t content : stages.seats()) {
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
  const auto& classes = tables.classes();
  std::vector<Seconds> last(classes.size());
  for (std::size_t stage = 0; stage < times.size(); ++stage) {
    Seconds& end = last[tables.class_of()[stage]];
    end = std::max(end, times[stage].end);
  }
  for (const Finish& one : variant.finishes) {
    const auto& tails = tables.tails(one.sharding, variant.overlap, tables_);
    Seconds step;
    for (std::size_t i = 0; i < classes.size(); ++i) {
      const TailCost tail = tail_cost(
          tables_.pricing(variant.overlap), tails[i], variant.forward[i], variant.backward[i]);
      step = std::max(step, last[i] + tail.total());
    }
    ++cell.result->evaluated;
    cell.result->keep({step, one.memory, candidate_of(variant, one.sharding)});
  }
}

}  // namespace forerun
