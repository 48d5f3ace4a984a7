// How many parameters a model has, by part; and the model FLOP of one token.
#pragma once

#include <cstdint>

#include "jobs/model_shape.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Parameters of one transformer layer, by part.
struct LayerParameters {
  std::int64_t attention = 0;       ///< projections, their biases, q/k norms, latent norms
  std::int64_t ffn = 0;             ///< dense FFN with its biases; 0 in an MoE layer
  std::int64_t routed_experts = 0;  ///< all routed experts
  std::int64_t shared_experts = 0;
  std::int64_t router = 0;
  std::int64_t norms = 0;  ///< the two layer norms with their biases
};

struct ParameterCount {
  std::int64_t embedding = 0;  ///< token embedding
  std::int64_t positions = 0;  ///< learned position embedding
  std::int64_t layers = 0;     ///< all layers
  std::int64_t final_norm = 0;
  std::int64_t head = 0;    ///< 0 when tied
  std::int64_t total = 0;   ///< without multi-token-prediction modules
  std::int64_t active = 0;  ///< used by one token: top-k routed experts instead of all
};

/// `layer` counts from 0 (the first layers of an MoE model may be dense).
[[nodiscard]] LayerParameters layer_parameters(const ModelShape& model, std::int64_t layer);
[[nodiscard]] ParameterCount count_parameters(const ModelShape& model);

/// Model FLOP of training (forward and backward, 3x the forward) per token at this sequence
/// length: no recomputation, causal attention counted as half, router left out, as Megatron-LM's
/// num_floating_point_operations counts them. The convention of MFU. Multi-token-prediction
/// modules are left out.
[[nodiscard]] Flops model_flops_per_token(const ModelShape& model, std::int64_t sequence);

}  // namespace forerun
