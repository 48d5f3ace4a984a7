// Micro-batches, layers per chunk, and the rules by which a job cannot be laid out.
#include "jobs/job.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "jobs/chunk_placement.hpp"

namespace forerun {
namespace {

using Reason = std::optional<std::string>;

Reason heads_against_tensor(const Job& job) {
  const AttentionShape& attention = job.model.attention;
  const std::int64_t tp = job.layout.tensor;
  if (attention.heads % tp != 0) {
    return fmt::format(
        "--layout tp={} does not divide the {} attention heads", tp, attention.heads);
  }
  // Fewer key-value heads than ranks are replicated, in equal numbers.
  if (!job.model.latent && attention.kv_heads % tp != 0 && tp % attention.kv_heads != 0) {
    return fmt::format(
        "--layout tp={} neither divides the {} key-value heads nor is a multiple of them",
        tp,
        attention.kv_heads);
  }
  return std::nullopt;
}

Reason uneven(const Job& job, std::string_view what, std::int64_t count) {
  const std::int64_t tp = job.layout.tensor;
  return count % tp == 0 ? Reason()
                         : fmt::format("--layout tp={} does not divide the {} {}", tp, count, what);
}

// Tensor ranks share out channels, heads and, with them, the groups of B and C.
Reason mixers_against_tensor(const Job& job) {
  if (const auto& delta = job.model.delta_net) {
    auto keys = uneven(job, "DeltaNet key heads", delta->key_heads);
    return keys ? keys : uneven(job, "DeltaNet value heads", delta->value_heads);
  }
  const auto& mamba = job.model.state_space;
  if (!mamba) {
    return std::nullopt;
  }
  if (mamba->heads == 0) {
    return uneven(job, "Mamba channels", mamba->inner);
  }
  auto heads = uneven(job, "Mamba heads", mamba->heads);
  return heads ? heads : uneven(job, "groups of Mamba heads", mamba->groups);
}

Reason ffn_against_tensor(const Job& job) {
  const ModelShape& model = job.model;
  const std::int64_t tp = job.layout.tensor;
  if (has_ffn(model, FeedForward::dense) && model.ffn_hidden % tp != 0) {
    return fmt::format("--layout tp={} does not divide the FFN width {}", tp, model.ffn_hidden);
  }
  if (model.moe && model.moe->shared_hidden % tp != 0) {
    return fmt::format("--layout tp={} does not divide the width {} of the shared experts",
                       tp,
                       model.moe->shared_hidden);
  }
  return std::nullopt;
}

Reason experts_against_layout(const Job& job) {
  const ParallelLayout& layout = job.layout;
  const std::int64_t ep = layout.expert;
  const std::int64_t etp = layout.expert_tensor;
  if (!job.model.moe) {
    return ep == 1 && etp == 1
               ? Reason()
               : fmt::format(
                     "--layout ep={},etp={} asks for experts, which the model does not have",
                     ep,
                     etp);
  }
  const MixtureOfExperts& moe = *job.model.moe;
  if (moe.experts % ep != 0) {
    return fmt::format("--layout ep={} does not divide the {} experts", ep, moe.experts);
  }
  if (moe.expert_hidden % etp != 0) {
    return fmt::format(
        "--layout etp={} does not divide the expert width {}", etp, moe.expert_hidden);
  }
  const std::int64_t ranks = layout.tensor * layout.context * layout.data;
  if (ranks % (ep * etp) != 0) {
    return fmt::format("--layout ep*etp={} does not divide tp*cp*dp={}", ep * etp, ranks);
  }
  return std::nullopt;
}

Reason layers_against_pipeline(const Job& job) {
  const std::int64_t chunks = job.layout.pipeline * job.layout.virtual_pipeline;
  const std::int64_t layers = job.model.layers;
  // Two chunks more than layers: embedding and head stand alone.
  if (chunks > layers && chunks != layers + 2) {
    return fmt::format(
        "--layout pp*vp={} leaves chunks without any of the {} layers", chunks, layers);
  }
  return std::nullopt;
}

// Chunks per stage that a schedule can run.
Reason schedule_against_chunks(const Job& job) {
  const std::int64_t vp = job.layout.virtual_pipeline;
  const Schedule schedule = schedule_of(job);
  switch (schedule) {
    case Schedule::interleaved:
      return vp > 1 ? Reason() : "--schedule interleaved needs --layout vp of at least 2";
    case Schedule::breadth_first:
      return std::nullopt;
    case Schedule::zb_v:
    case Schedule::dualpipe_v:
      return vp == 2 ? Reason()
                     : fmt::format(
                           "--schedule {} folds the model in two chunks per stage and "
                           "needs --layout vp=2, not vp={}",
                           name_of(schedule),
                           vp);
    case Schedule::gpipe:
    case Schedule::one_f_one_b:
    case Schedule::zb_h1:
    case Schedule::zb_h2:
    case Schedule::dualpipe:
      return vp == 1 ? Reason()
                     : fmt::format(
                           "--schedule {} runs one chunk per stage, but --layout vp={} "
                           "asks for more",
                           name_of(schedule),
                           vp);
  }
  return std::nullopt;
}

Reason schedule_against_pipeline(const Job& job) {
  const ParallelLayout& layout = job.layout;
  if (auto reason = schedule_against_chunks(job)) {
    return reason;
  }
  if (layout.virtual_pipeline > 1 && layout.pipeline == 1) {
    return fmt::format("--layout vp={} needs pp of at least 2", layout.virtual_pipeline);
  }
  if (schedule_of(job) == Schedule::dualpipe && layout.pipeline % 2 != 0) {
    return fmt::format("--schedule dualpipe pairs the stages and needs an even pp, not pp={}",
                       layout.pipeline);
  }
  return std::nullopt;
}

// The micro-batches of a pipeline against what its schedule needs to run at all.
Reason micro_batches_against_schedule(const Job& job) {
  const std::int64_t count = micro_batches(job);
  const std::int64_t pp = job.layout.pipeline;
  const Schedule schedule = schedule_of(job);
  const auto gives = [&] {
    return fmt::format("--batch {} gives {} micro-batches, and ", job.recipe.global_batch, count);
  };
  switch (schedule) {
    case Schedule::interleaved:
      return interleaving_group(pp, count)
                 ? Reason()
                 : gives() + fmt::format("interleaving needs at least pp={}", pp);
    case Schedule::dualpipe:
      return count >= 2 * pp && count % 2 == 0
                 ? Reason()
                 : gives() + fmt::format("dualpipe needs an even number, at least 2*pp={}", 2 * pp);
    case Schedule::dualpipe_v:
      return count >= 2 * pp ? Reason()
                             : gives() + fmt::format("dualpipe-v needs at least 2*pp={}", 2 * pp);
    case Schedule::gpipe:
    case Schedule::one_f_one_b:
    case Schedule::breadth_first:
    case Schedule::zb_h1:
    case Schedule::zb_h2:
    case Schedule::zb_v:
      return std::nullopt;
  }
  return std::nullopt;
}

Reason batch_against_data(const Job& job) {
  const Recipe& recipe = job.recipe;
  if (recipe.global_batch % (job.layout.data * recipe.micro_batch) != 0) {
    const std::int64_t step = job.layout.data * recipe.micro_batch;
    const std::int64_t below = recipe.global_batch / step * step;
    const bool is_below_nearer = below > 0 && recipe.global_batch - below <= step / 2;
    return fmt::format(
        "--batch {} is not a multiple of dp={} times --micro-batch {} (nearest is {})",
        recipe.global_batch,
        job.layout.data,
        recipe.micro_batch,
        is_below_nearer ? below : below + step);
  }
  return micro_batches_against_schedule(job);
}

Reason split_against_chunks(const Job& job) {
  return unsuitable_because(job.recipe.stage_split, job.model.layers, model_chunks(job));
}

// Of a stage's chunks, the layers of the largest.
std::int64_t largest_chunk(const Job& job, std::int64_t stage) {
  const auto chunks = chunk_layers(job);
  std::int64_t most = 0;
  for (const std::int64_t chunk : chunks_of_stage(job, stage)) {
    most = std::max(most, chunks[static_cast<std::size_t>(chunk)].count);
  }
  return most;
}

Reason stage_blocks_against_layers(const Job& job) {
  const RecomputePolicy& policy = job.recipe.recompute;
  if (std::ssize(policy.by_stage) != job.layout.pipeline) {
    return fmt::format("--recompute {} names {} stages, the pipeline has {}",
                       text_of(policy),
                       policy.by_stage.size(),
                       job.layout.pipeline);
  }
  for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
    const std::int64_t wanted = policy.by_stage[static_cast<std::size_t>(stage)];
    const std::int64_t most = largest_chunk(job, stage);
    if (wanted > most) {
      return fmt::format(
          "--recompute {} recomputes {} layers of each chunk of stage {}, which hold {} (expected "
          "at most {})",
          text_of(policy),
          wanted,
          stage,
          most,
          most);
    }
  }
  return std::nullopt;
}

Reason recompute_against_layers(const Job& job) {
  const RecomputePolicy& policy = job.recipe.recompute;
  if (!policy.by_stage.empty()) {
    return stage_blocks_against_layers(job);
  }
  if (policy.kind != Recompute::block) {
    return std::nullopt;
  }
  const auto chunks = chunk_layers(job);
  const std::int64_t most = std::ranges::max_element(chunks, {}, &ChunkLayers::count)->count;
  if (policy.layers > most) {
    return fmt::format(
        "--recompute block:{} is more than the {} layers of a chunk (expected at most block:{})",
        policy.layers,
        most,
        most);
  }
  return std::nullopt;
}

Reason shards_against_data(const Job& job) {
  const std::int64_t shards = job.recipe.shard_group;
  const std::int64_t replicas = job.layout.data * job.layout.context;
  if (shards > 0 && job.recipe.zero != ZeroStage::parameters) {
    return fmt::format("--fsdp hsdp:{} shards weights, which --zero {} does not",
                       shards,
                       static_cast<int>(job.recipe.zero));
  }
  if (shards > 0 && replicas % shards != 0) {
    return fmt::format("--fsdp hsdp:{} does not divide dp*cp={}", shards, replicas);
  }
  return std::nullopt;
}

Reason sequence_against_layout(const Job& job) {
  const std::int64_t sequence = job.recipe.sequence;
  const std::int64_t cp = job.layout.context;
  const std::int64_t tp = job.layout.tensor;
  // Each rank takes one early and one late piece, so that causal attention is balanced.
  if (cp > 1 && sequence % (2 * cp) != 0) {
    return fmt::format("--seq {} is not a multiple of 2*cp={}", sequence, 2 * cp);
  }
  if (job.recipe.sequence_parallel == SequenceParallel::on && (sequence / cp) % tp != 0) {
    return fmt::format(
        "--seq {} over cp={} is not a multiple of tp={}, which --sp on needs", sequence, cp, tp);
  }
  if (job.model.position == Position::learned && sequence > job.model.max_positions) {
    return fmt::format(
        "--seq {} is beyond the {} learned positions", sequence, job.model.max_positions);
  }
  return std::nullopt;
}

}  // namespace

Job teacher_job(const Job& job) {
  Job teacher{*job.teacher, job.recipe, job.layout};
  teacher.recipe.recompute = {};
  if (teacher.recipe.stage_split.kind == StageSplit::Kind::listed) {
    teacher.recipe.stage_split = {};  // the list is of the trained model's layers
  }
  teacher.recipe.tuning = Tuning::lora;  // of nothing: all of it is frozen
  teacher.recipe.adapters.targets = no_lora_targets;
  return teacher;
}

std::int64_t micro_batches(const Job& job) {
  return job.recipe.global_batch / (job.layout.data * job.recipe.micro_batch);
}

Schedule schedule_of(const Job& job) {
  return job.recipe.schedule.value_or(job.layout.virtual_pipeline > 1 ? Schedule::interleaved
                                                                      : Schedule::one_f_one_b);
}

std::optional<BrokenRule> broken_rule(const Job& job) {
  struct Check {
    Rule rule;
    Reason (*reason)(const Job&);
  };

  constexpr auto checks = std::to_array<Check>({{Rule::heads, heads_against_tensor},
                                                {Rule::heads, mixers_against_tensor},
                                                {Rule::ffn, ffn_against_tensor},
                                                {Rule::experts, experts_against_layout},
                                                {Rule::layers, layers_against_pipeline},
                                                {Rule::schedule, schedule_against_pipeline},
                                                {Rule::stages, split_against_chunks},
                                                {Rule::recompute, recompute_against_layers},
                                                {Rule::batch, batch_against_data},
                                                {Rule::sharding, shards_against_data},
                                                {Rule::sequence, sequence_against_layout}});
  for (const Check& check : checks) {
    if (auto reason = check.reason(job)) {
      return BrokenRule{check.rule, std::move(*reason)};
    }
  }
  return std::nullopt;
}

std::optional<std::string> illegal_because(const Job& job) {
  auto broken = broken_rule(job);
  return broken ? std::optional(std::move(broken->reason)) : std::nullopt;
}

std::string_view name_of(Rule rule) {
  switch (rule) {
    case Rule::heads:
      return "heads";
    case Rule::ffn:
      return "ffn";
    case Rule::experts:
      return "experts";
    case Rule::layers:
      return "layers";
    case Rule::schedule:
      return "schedule";
    case Rule::stages:
      return "stages";
    case Rule::recompute:
      return "recompute";
    case Rule::batch:
      return "batch";
    case Rule::sharding:
      return "sharding";
    case Rule::sequence:
      return "sequence";
  }
  return {};
}

std::int64_t padded_vocabulary(std::int64_t vocabulary, std::int64_t tensor_parallel) {
  constexpr std::int64_t divisor = 128;  // Megatron-LM's default of make-vocab-size-divisible-by
  const std::int64_t step = divisor * tensor_parallel;
  return (vocabulary + step - 1) / step * step;
}

}  // namespace forerun
