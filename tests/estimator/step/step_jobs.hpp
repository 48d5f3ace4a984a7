// Small jobs that the step's tests share.
#pragma once

#include <vector>

#include "jobs/job.hpp"

namespace forerun {

/// A llama-like decoder: hidden 64, 8 heads of 8, 4 KV heads, FFN 96, vocabulary 1000.
inline Job small_llama(const ParallelLayout& layout, std::int64_t layers = 4) {
  Job job;
  job.model.name = "small-llama";
  job.model.family = "llama";
  job.model.layers = layers;
  job.model.hidden = 64;
  job.model.ffn_hidden = 96;
  job.model.vocabulary = 1000;
  job.model.max_positions = 64;
  job.model.attention.heads = 8;
  job.model.attention.kv_heads = 4;
  job.model.attention.head_size = 8;
  job.recipe.global_batch = 8;
  job.recipe.micro_batch = 1;
  job.recipe.sequence = 32;
  job.recipe.precision = Precision::fp32;
  job.layout = layout;
  return job;
}

/// The same size with everything that gpt2 has: biases, LayerNorm, GELU, learned positions, tied.
inline Job small_gpt2(const ParallelLayout& layout, std::int64_t layers = 4) {
  Job job = small_llama(layout, layers);
  job.model.name = "small-gpt2";
  job.model.family = "gpt2";
  job.model.attention.kv_heads = 8;
  job.model.attention.qkv_bias = true;
  job.model.attention.output_bias = true;
  job.model.mlp_bias = true;
  job.model.norm = Norm::layer_norm;
  job.model.activation = Activation::gelu;
  job.model.position = Position::learned;
  job.model.tied_embeddings = true;
  return job;
}

/// What Gemma 2 has: GeGLU, norms of outputs, windows in every other layer, caps, scaled and tied
/// embeddings.
inline Job small_gemma2(const ParallelLayout& layout) {
  Job job = small_llama(layout);
  job.model.name = "small-gemma2";
  job.model.activation = Activation::geglu;
  job.model.post_norms = true;
  job.model.attention.window = 10;
  job.model.attention.softcap = 0.5;
  job.model.logit_softcap = 0.5;
  job.model.embedding_scale = true;
  job.model.tied_embeddings = true;
  job.model.kinds.resize(4);
  job.model.kinds[0].windowed = job.model.kinds[2].windowed = true;
  return job;
}

/// What GPT-NeoX has: two norms beside each other, biases, LayerNorm, rope of a part.
inline Job small_neox(const ParallelLayout& layout) {
  Job job = small_gpt2(layout);
  job.model.name = "small-neox";
  job.model.position = Position::rope;
  job.model.attention.rotary_size = 2;
  job.model.block = Block::parallel_two_norms;
  job.model.tied_embeddings = false;
  return job;
}

/// What GPT-J has: one norm for both, biases of FFN and head only.
inline Job small_gptj(const ParallelLayout& layout) {
  Job job = small_neox(layout);
  job.model.name = "small-gptj";
  job.model.block = Block::parallel;
  job.model.attention.qkv_bias = job.model.attention.output_bias = false;
  job.model.head_bias = true;
  return job;
}

/// What Falcon-7B has: one norm for both, one KV head, no biases but of LayerNorm.
inline Job small_falcon(const ParallelLayout& layout) {
  Job job = small_gptj(layout);
  job.model.name = "small-falcon";
  job.model.attention.kv_heads = 1;
  job.model.attention.rotary_size = 0;
  job.model.mlp_bias = job.model.head_bias = false;
  job.model.tied_embeddings = true;
  return job;
}

/// What OPT has: ReLU, positions from the third row on.
inline Job small_opt(const ParallelLayout& layout) {
  Job job = small_gpt2(layout);
  job.model.name = "small-opt";
  job.model.activation = Activation::relu;
  job.model.position_offset = 2;
  return job;
}

/// What BLOOM has: ALiBi, a norm behind the embedding.
inline Job small_bloom(const ParallelLayout& layout) {
  Job job = small_gpt2(layout);
  job.model.name = "small-bloom";
  job.model.position = Position::alibi;
  job.model.embedding_norm = true;
  return job;
}

/// What MPT has: ALiBi, no bias anywhere.
inline Job small_mpt(const ParallelLayout& layout) {
  Job job = small_bloom(layout);
  job.model.name = "small-mpt";
  job.model.embedding_norm = job.model.norm_bias = job.model.mlp_bias = false;
  job.model.attention.qkv_bias = job.model.attention.output_bias = false;
  return job;
}

/// Two KV heads with biases, as a small Qwen2: fewer than four tensor ranks.
inline Job small_qwen2(const ParallelLayout& layout) {
  Job job = small_llama(layout);
  job.model.name = "small-qwen2";
  job.model.attention.kv_heads = 2;
  job.model.attention.qkv_bias = true;
  return job;
}

/// What Mixtral has: every layer with experts, 2 of 4 of them for a token.
inline Job small_mixtral(const ParallelLayout& layout) {
  Job job = small_llama(layout, 2);
  job.model.name = "small-mixtral";
  job.model.moe = MixtureOfExperts{.experts = 4, .top_k = 2, .expert_hidden = 48};
  return job;
}

/// What DeepSeekMoE has: a dense first layer, more and smaller experts, a shared one.
inline Job small_deepseek_moe(const ParallelLayout& layout) {
  Job job = small_mixtral(layout);
  job.model.name = "small-deepseek-moe";
  job.model.moe = MixtureOfExperts{
      .experts = 8, .top_k = 3, .expert_hidden = 16, .shared_hidden = 32, .dense_layers = 1};
  return job;
}

/// What DeepSeek-V2 has: queries and keys and values from latents, 8 heads of 8 + 4 and 8.
inline Job small_latent(const ParallelLayout& layout) {
  Job job = small_llama(layout);
  job.model.name = "small-latent";
  job.model.attention.kv_heads = 8;
  job.model.attention.head_size = 12;
  job.model.latent = LatentAttention{.query_rank = 24,
                                     .kv_rank = 16,
                                     .nope_head_size = 8,
                                     .rope_head_size = 4,
                                     .value_head_size = 8};
  return job;
}

/// One of each family.
inline std::vector<Job> small_variants(const ParallelLayout& layout) {
  return {small_gemma2(layout),
          small_neox(layout),
          small_gptj(layout),
          small_falcon(layout),
          small_opt(layout),
          small_bloom(layout),
          small_mpt(layout),
          small_qwen2(layout)};
}

}  // namespace forerun
