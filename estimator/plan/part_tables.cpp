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
      layers_are_alike_(layers_are_alike(job_.model)),
      builder_(job_, subject.placement),
      works_(job_, builder_),
      off_(job_, works_, off, subject.host),
      on_(job_, works_, on, subject.host),
      whole_(job_, works_),
      split_(job_, works_) {
  if (job_.teacher) {
    taught_off_.emplace(job_, subject.placement, off, subject.host);
    taught_on_.emplace(job_, subject.placement, on, subject.host);
  }
}

void PartTable::take(const Job& job) {
  job_.layout = job.layout;
  job_.recipe.schedule = job.recipe.schedule;
}

constexpr unsigned key_bits = 20;  // of a number of layers

std::uint64_t PartTable::key_of(const ChunkContent& content) const {
  const auto first = layers_are_alike_ ? 0 : static_cast<std::uint64_t>(content.layers.first);
  const auto count = static_cast<std::uint64_t>(content.layers.count);
  const auto recomputed = static_cast<std::uint64_t>(content.recomputed);
  const std::uint64_t flags = (content.embedding ? 1U : 0U) + (content.head ? 2U : 0U) +
                              (splits_backward(schedule_of(job_)) ? 4U : 0U);
  return (flags << (3 * key_bits)) + (recomputed << (2 * key_bits)) + (count << key_bits) + first;
}

// What is offloaded depends on how many micro-batches the layout at hand leaves.
const ChunkCost& PartTable::cost(const ChunkContent& content, Overlap overlap) {
  constexpr std::size_t most_known = 512;
  Known& known = known_.at(overlap == Overlap::on ? 1 : 0);
  const bool remembers = !job_.recipe.offload.any() && job_.model.layers < (1 << key_bits);
  if (!remembers || known.size() == most_known) {
    known.clear();
  }
  const std::uint64_t key = key_of(content);
  const auto found = known.find(key);
  return found != known.end()
             ? found->second
             : known.emplace(key, (overlap == Overlap::on ? on_ : off_).chunk(content))
                   .first->second;
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
