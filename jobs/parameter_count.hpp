// How many parameters a model has, by part; and the model FLOP of one token.
#pragma once

#include <cstdint>

#include "jobs/model_shape.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Parameters of one transformer layer, by part.
struct LayerParameters {
  std::int64_t attention = 0;       ///< projections, biases, q/k norms, latent norms, sinks
  std::int64_t state_space = 0;     ///< the mixer of a Mamba or DeltaNet layer
  std::int64_t ffn = 0;             ///< dense FFN with its biases; 0 in an MoE layer
  std::int64_t routed_experts = 0;  ///< all routed experts
  std::int64_t shared_experts = 0;
  std::int64_t router = 0;  ///< with the projections to and from the experts' latent
  std::int64_t norms = 0;   ///< of the layer's inputs and outputs, with their biases
};

[[nodiscard]] std::int64_t sum_of(const LayerParameters& layer);

struct ParameterCount {
  std::int64_t embedding = 0;  ///< token embedding and its norm
  std::int64_t positions = 0;  ///< learned position embedding
  std::int64_t layers = 0;     ///< all layers
  std::int64_t final_norm = 0;
  std::int64_t head = 0;    ///< weights, none when tied, and biases
  std::int64_t total = 0;   ///< without multi-token-prediction modules
  std::int64_t active = 0;  ///< used by one token: top-k routed experts instead of all
};

/// Weights of the projections of latent attention, without norms and biases, each used once a token
/// (DeepSeek-V2, arXiv 2405.04434, section 2.1).
[[nodiscard]] std::int64_t latent_weights(const ModelShape& model, const LatentAttention& latent);

/// `layer` counts from 0.
[[nodiscard]] LayerParameters layer_parameters(const ModelShape& model, std::int64_t layer);
[[nodiscard]] ParameterCount count_parameters(const ModelShape& model);

/// Model FLOP of training (forward and backward, 3x the forward) per token at this sequence
/// length: no recomputation, causal attention counted as half, router left out, as Megatron-LM's
/// num_floating_point_operations counts them. The convention of MFU. Multi-token-prediction
/// modules are left out. A window w below the sequence s leaves w - w^2/(2s) keys a query on
/// average, chunks of w half a chunk; Mamba's scan counts 7 FLOP a channel and state, as
/// Megatron-LM does for Mamba-2.
[[nodiscard]] Flops model_flops_per_token(const ModelShape& model, std::int64_t sequence);

}  // namespace forerun
