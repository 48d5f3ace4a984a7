// What a replica's ranks hold: weights, the cache of each sequence, room to work.
#pragma once

#include "estimator/capacity/serving_work.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Weights of the rank that holds most: quantised matrices in the served format; router, norms,
/// embedding and head in 16 bits (fp32: 32), as serving engines leave them.
[[nodiscard]] Bytes weight_bytes(const ServedModel& served);

/// Keys and values, or states, of one sequence of `tokens` on the rank that holds most. Layers with
/// a window keep that many tokens; latent attention keeps kv_rank + rope_head_size elements a
/// token on every tensor rank; states do not grow.
[[nodiscard]] Bytes cache_bytes(const ServedModel& served, double tokens);

/// The same of the whole model, on however many devices.
[[nodiscard]] Bytes cache_bytes(const ModelShape& model, ServingPrecision cache, double tokens);

/// Activations of one pass: residual stream, norm, and the widest product's input and output; the
/// logits of every sequence in fp32.
[[nodiscard]] Bytes workspace_bytes(const ServedModel& served, const PassShape& pass);

/// What of a device's memory engines plan with: 0.9, vLLM's gpu_memory_utilization.
inline constexpr double usable_memory = 0.9;

}  // namespace forerun
