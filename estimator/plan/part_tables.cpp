#include "estimator/plan/part_tables.hpp"

#include <utility>

#include "estimator/step/stage_weights.hpp"

namespace forerun {

bool shards_every_micro_batch(const Job& job) {
  const auto exchanges = [](const StateShards& shards) {
    return shards.weights > 1 || shards.gradients > 1;
  };
  return exchanges(state_shards(job)) || (job.model.moe && exchanges(expert_state_shards(job)));
}

PartTable::PartTable(Job job, const PlanSubject& subject, Pricing& off, Pricing& on)
    : job_(std::move(job)),
      builder_(job_, subject.placement),
      off_(job_, subject.placement, off, subject.host),
      on_(job_, subject.placement, on, subject.host),
      whole_(job_, builder_),
      split_(job_, builder_) {}

void PartTable::take(const Job& job) {
  job_.layout = job.layout;
  job_.recipe.schedule = job.recipe.schedule;
}

ChunkMemory PartTable::memory(const ChunkContent& content) {
  return (splits_backward(schedule_of(job_)) ? split_ : whole_).chunk(content);
}

PartTables::PartTables(const PlanSubject& subject)
    : subject_(subject),
      off_(subject.prices, subject.recipe.software, Overlap::off),
      on_(subject.prices, subject.recipe.software, Overlap::on) {}

PartTables::Key PartTables::key_of(const Job& job) const {
  const Recipe& recipe = job.recipe;
  const bool is_megatron = subject_.placement.rank_order == megatron_order;
  const bool shards = shards_every_micro_batch(job);
  ParallelLayout family = job.layout;
  family.virtual_pipeline = 1;
  if (is_megatron) {
    family.pipeline = 1;
    family.data = shards ? family.data : 1;
  }
  const int modules =
      recipe.recompute.kind == Recompute::selective ? bits_of(recipe.recompute.modules) : 0;
  return {family,
          recipe.micro_batch,
          recipe.sequence_parallel,
          modules,
          shards ? recipe.zero : ZeroStage::none,
          shards ? recipe.shard_group : 0,
          recipe.offload};
}

PartTable& PartTables::of(const Job& job) {
  auto& table = tables_[key_of(job)];
  if (!table) {
    table = std::make_unique<PartTable>(job, subject_, off_, on_);
  }
  table->take(job);
  return *table;
}

int bits_of(const RecomputeModules& modules) {
  return (modules.core_attention ? 1 : 0) + (modules.norms ? 2 : 0) + (modules.activation ? 4 : 0) +
         (modules.mlp ? 8 : 0) + (modules.expert_activation ? 16 : 0);
}

RecomputeModules modules_of(int bits) {
  return {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0, (bits & 16) != 0};
}

}  // namespace forerun
