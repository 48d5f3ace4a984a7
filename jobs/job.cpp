// Micro-batches, layers per chunk, and the rules by which a job cannot be laid out.
#include "jobs/job.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

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

Reason ffn_against_tensor(const Job& job) {
  const ModelShape& model = job.model;
  const std::int64_t tp = job.layout.tensor;
  const bool has_dense_layers = !model.moe || model.moe->dense_layers > 0;
  if (has_dense_layers && model.ffn_hidden % tp != 0) {
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

Reason schedule_against_pipeline(const Job& job) {
  const ParallelLayout& layout = job.layout;
  const Schedule schedule = schedule_of(job);
  if (schedule != Schedule::interleaved && layout.virtual_pipeline > 1) {
    return fmt::format("--schedule {} runs one chunk per stage, but --layout vp={} asks for more",
                       name_of(schedule),
                       layout.virtual_pipeline);
  }
  if (schedule == Schedule::interleaved && layout.virtual_pipeline == 1) {
    return "--schedule interleaved needs --layout vp of at least 2";
  }
  if (layout.virtual_pipeline > 1 && layout.pipeline == 1) {
    return fmt::format("--layout vp={} needs pp of at least 2", layout.virtual_pipeline);
  }
  return std::nullopt;
}

Reason batch_against_data(const Job& job) {
  const Recipe& recipe = job.recipe;
  if (recipe.global_batch % (job.layout.data * recipe.micro_batch) != 0) {
    return fmt::format("--batch {} is not a multiple of dp={} times --micro-batch {}",
                       recipe.global_batch,
                       job.layout.data,
                       recipe.micro_batch);
  }
  // Megatron interleaves micro-batches in rounds of pp.
  const std::int64_t count = micro_batches(job);
  if (job.layout.virtual_pipeline > 1 && count % job.layout.pipeline != 0) {
    return fmt::format(
        "--batch {} gives {} micro-batches, and interleaving needs a multiple of pp={}",
        recipe.global_batch,
        count,
        job.layout.pipeline);
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

std::int64_t micro_batches(const Job& job) {
  return job.recipe.global_batch / (job.layout.data * job.recipe.micro_batch);
}

Schedule schedule_of(const Job& job) {
  return job.recipe.schedule.value_or(job.layout.virtual_pipeline > 1 ? Schedule::interleaved
                                                                      : Schedule::one_f_one_b);
}

std::optional<std::string> illegal_because(const Job& job) {
  constexpr auto rules = std::to_array<Reason (*)(const Job&)>({heads_against_tensor,
                                                                ffn_against_tensor,
                                                                experts_against_layout,
                                                                layers_against_pipeline,
                                                                schedule_against_pipeline,
                                                                batch_against_data,
                                                                sequence_against_layout});
  for (const auto rule : rules) {
    if (auto reason = rule(job)) {
      return reason;
    }
  }
  return std::nullopt;
}

std::vector<ChunkLayers> assign_layers(std::int64_t layers, std::int64_t chunks) {
  const bool counts_ends = layers % chunks != 0 && (layers + 2) % chunks == 0;
  const std::int64_t units = counts_ends ? layers + 2 : layers;
  std::vector<ChunkLayers> result(static_cast<std::size_t>(chunks));
  std::int64_t spare = units % chunks;
  for (ChunkLayers& chunk : result) {
    chunk.count = units / chunks + (spare > 0 ? 1 : 0);
    spare -= spare > 0 ? 1 : 0;
  }
  if (counts_ends) {
    --result.front().count;
    --result.back().count;
  }
  std::int64_t first = 0;
  for (ChunkLayers& chunk : result) {
    chunk.first = first;
    first += chunk.count;
  }
  return result;
}

std::int64_t padded_vocabulary(std::int64_t vocabulary, std::int64_t tensor_parallel) {
  constexpr std::int64_t divisor = 128;  // Megatron-LM's default of make-vocab-size-divisible-by
  const std::int64_t step = divisor * tensor_parallel;
  return (vocabulary + step - 1) / step * step;
}

}  // namespace forerun
