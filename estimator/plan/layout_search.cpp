#include "estimator/plan/layout_search.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "estimator/step/step_pieces.hpp"
#include "estimator/step/teacher.hpp"
#include "jobs/chunk_placement.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

Reject reject_of(Rule rule) {
  return static_cast<Reject>(static_cast<int>(rule));
}

// Nobody else holds the same weights: there is nothing to shard.
bool has_one_replica(const Job& job) {
  const bool has_experts_alike = job.model.moe && expert_replicas(job.layout) > 1;
  return job.layout.data * job.layout.context == 1 && !has_experts_alike;
}

}  // namespace

LayoutSearch::LayoutSearch(const PlanSubject& subject, const SearchSpace& space)
    : subject_(subject),
      space_(space),
      own_(std::make_unique<WalkTables>(subject)),
      tables_(own_->parts),
      programs_(own_->programs),
      job_{subject.model, subject.recipe, {}, subject.teacher} {}

LayoutSearch::LayoutSearch(const PlanSubject& subject, const SearchSpace& space, WalkTables& tables)
    : subject_(subject),
      space_(space),
      tables_(tables.parts),
      programs_(tables.programs),
      job_{subject.model, subject.recipe, {}, subject.teacher} {}

Job LayoutSearch::job_of(const Candidate& candidate) const {
  Job job{subject_.model, subject_.recipe, candidate.layout, subject_.teacher};
  job.recipe.micro_batch = candidate.micro_batch;
  job.recipe.schedule = candidate.schedule;
  job.recipe.stage_split = space_.stage_splits[static_cast<std::size_t>(candidate.stage_split)];
  job.recipe.sequence_parallel = candidate.sequence_parallel;
  job.recipe.zero = candidate.sharding.zero;
  job.recipe.shard_group = candidate.sharding.group;
  job.recipe.recompute = {candidate.recompute,
                          modules_of(candidate.modules),
                          candidate.recomputed_layers,
                          candidate.recomputed_by_stage};
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
  candidate.recomputed_by_stage = variant.recompute.by_stage;
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
  const std::int64_t each =
      recomputations_of(space_.recompute, subject_.model.layers, layout) *
      as_count(space_.micro_batches.size() * space_.sequence_parallel.size() * shardings_.size() *
               space_.overlaps.size() * space_.offloads.size());
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
  const std::int64_t layers = subject_.model.layers;
  const std::int64_t per_policy =
      candidates / recomputations_of(space_.recompute, layers, job_.layout);
  cell.chooses_by_stage = space_.recompute.least_by_stage && job_.layout.pipeline > 1;
  for (const RecomputePolicy& policy : policies_of(space_.recompute, layers, job_.layout)) {
    job_.recipe.recompute = policy;
    if (const auto broken = broken_rule(job_); broken && broken->rule == Rule::recompute) {
      result.reject(Reject::recompute, per_policy);
    } else {
      cell.policies.push_back(policy);
    }
  }
  job_.recipe.recompute = {};
  const std::int64_t per_micro_batch =
      per_policy * cell.recomputations() / as_count(space_.micro_batches.size());
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
  const std::int64_t each = cell.recomputations() * as_count(space_.overlaps.size());
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
    // A group of one shards nothing: what ZeRO 0 is already.
    const bool is_of_one = shardings_[i].group == 1 && replicas > 1;
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
    } else if (is_of_one || cell.repeats_split || repeats_sequence || repeats_schedule ||
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
  cell.shardings = legal_shardings(cell);
  cell.block_peaks.clear();
  if (cell.shardings.empty()) {
    return;
  }
  StageTables& tables = stages();
  choose(cell.shardings.front());
  PricedStages priced;
  const WorkBuilder builder(job_, subject_.placement);
  price_messages(builder, tables_.pricing(Overlap::on), priced);
  messages_ = std::move(priced.messages);
  if (job_.teacher) {
    add_teacher_messages(job_, subject_.placement, tables_.pricing(Overlap::on), messages_);
  }
  const auto boundaries = builder.boundaries();
  message_bytes_ = boundaries.empty() ? 0 : boundaries.front().message.bytes;
  // Whatever is recomputed comes on top.
  if (least_step(cell, recomputed_stages(tables, {})) > cell.give_up_at) {
    cell.result->reject(
        Reject::lower_bound,
        cell.recomputations() * as_count(cell.shardings.size() * space_.overlaps.size()));
    return;
  }
  if (cell.program == nullptr) {
    cell.program = &programs_.of(*job_.recipe.schedule, pipeline_shape(job_));
  }
  walk_policies(cell, tables);
  if (cell.chooses_by_stage) {
    walk_by_stage(cell, tables);
  }
  // What is left over shares these messages.
  run(cell, blocking_);
  run(cell, overlapped_);
  job_.recipe.recompute = {};
}

}  // namespace forerun
