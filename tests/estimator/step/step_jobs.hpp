// Small jobs that the step's tests share.
#pragma once

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

}  // namespace forerun
