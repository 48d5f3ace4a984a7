// Small jobs of models with Mamba layers, latent attention and gates.
#pragma once

#include "tests/estimator/step/step_jobs.hpp"

namespace forerun {

/// Mamba-2 alone: 128 channels in 8 heads of 16, 4 groups of B and C with a state of 8; no FFN.
inline Job small_mamba2(const ParallelLayout& layout) {
  Job job = small_llama(layout);
  job.model.name = "small-mamba2";
  job.model.position = Position::none;
  job.model.state_space =
      StateSpace{.inner = 128, .state = 8, .conv_width = 4, .heads = 8, .groups = 4};
  job.model.kinds.assign(4, {.mixer = Mixer::mamba2, .ffn = FeedForward::none});
  return job;
}

/// What Jamba has: Mamba-1 with inner norms, attention in every fourth layer, experts in every
/// second, no positions.
inline Job small_jamba(const ParallelLayout& layout) {
  Job job = small_llama(layout);
  job.model.name = "small-jamba";
  job.model.position = Position::none;
  job.model.state_space =
      StateSpace{.inner = 128, .state = 8, .conv_width = 4, .dt_rank = 4, .inner_norms = true};
  job.model.moe = MixtureOfExperts{.experts = 4, .top_k = 2, .expert_hidden = 96};
  for (int layer = 0; layer < 4; ++layer) {
    job.model.kinds.push_back({.mixer = layer == 2 ? Mixer::attention : Mixer::mamba,
                               .ffn = layer % 2 == 1 ? FeedForward::experts : FeedForward::dense});
  }
  return job;
}

/// What Nemotron-H has: halves of layers, Mamba-2, attention or an FFN with squared ReLU.
inline Job small_nemotron_h(const ParallelLayout& layout) {
  Job job = small_mamba2(layout);
  job.model.name = "small-nemotron-h";
  job.model.activation = Activation::relu_squared;
  job.model.kinds[1] = {.mixer = Mixer::none, .ffn = FeedForward::dense};
  job.model.kinds[2] = {.mixer = Mixer::attention, .ffn = FeedForward::none, .rope = false};
  job.model.kinds[3] = {.mixer = Mixer::none, .ffn = FeedForward::dense};
  return job;
}

/// What Qwen2-MoE has beside DeepSeekMoE: a gate on the shared expert; and, as Qwen3-Next, one on
/// what is attended.
inline Job small_gated(const ParallelLayout& layout) {
  Job job = small_deepseek_moe(layout);
  job.model.name = "small-gated";
  job.model.moe->shared_gate = true;
  job.model.attention.output_gate = true;
  return job;
}

/// What Qwen3-Next has: gated DeltaNet, 4 key heads and 8 value heads of 8, three layers to one of
/// gated attention.
inline Job small_delta_net(const ParallelLayout& layout) {
  Job job = small_llama(layout);
  job.model.name = "small-delta-net";
  job.model.attention.output_gate = true;
  job.model.delta_net =
      DeltaNet{.key_heads = 4, .value_heads = 8, .key_size = 8, .value_size = 8, .conv_width = 4};
  job.model.kinds.resize(4);
  for (int layer = 0; layer < 3; ++layer) {
    job.model.kinds[static_cast<std::size_t>(layer)].mixer = Mixer::delta_net;
  }
  return job;
}

/// DeepSeek-V2 with its experts: latent attention and a dense first layer.
inline Job small_deepseek_v2(const ParallelLayout& layout) {
  Job job = small_latent(layout);
  job.model.name = "small-deepseek-v2";
  job.model.moe = MixtureOfExperts{
      .experts = 8, .top_k = 3, .expert_hidden = 16, .shared_hidden = 32, .dense_layers = 1};
  return job;
}

/// What Nemotron 3 Super has: routed experts narrower than the model, between projections.
inline Job small_expert_latent(const ParallelLayout& layout) {
  Job job = small_deepseek_moe(layout);
  job.model.name = "small-expert-latent";
  job.model.moe->latent = 32;
  return job;
}

}  // namespace forerun
