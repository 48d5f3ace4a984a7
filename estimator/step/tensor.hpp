// Names the tensors that a training step reads and writes, so that one work list can be priced,
// measured and executed.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

namespace forerun {

enum class TensorName {
  // Inputs.
  tokens,
  targets,
  // Weights; with `gradient` set, their fp32 gradients.
  w_embedding,
  w_position,
  w_norm1,
  b_norm1,
  w_qkv,
  b_qkv,
  w_q_norm,
  w_k_norm,
  w_out,
  b_out,
  w_norm2,
  b_norm2,
  w_up,
  b_up,
  w_down,
  b_down,
  w_final_norm,
  b_final_norm,
  w_head,
  // Activations of one micro-batch; with `gradient` set, the gradient of the loss by them.
  embedded,  ///< embedding rows before they are reduced over the tensor group
  hidden,    ///< residual stream entering layer `layer`; layer L leaves the last one
  norm1,     ///< shard of the sequence, with sequence parallelism
  norm1_stats,
  norm1_full,  ///< gathered over the tensor group
  qkv_raw,     ///< before the norm of every head
  qk_stats,
  qkv,
  attended,
  log_sum_exp,
  projected_full,  ///< partial sum, before the reduction over the tensor group
  projected,
  middle,  ///< residual stream between attention and FFN
  norm2,
  norm2_stats,
  norm2_full,
  up,
  activated,
  down_full,
  down,
  branch,  ///< gradient that a norm sends back, before it joins the residual stream's
  final_norm,
  final_stats,
  final_full,
  logits,
  row_max,
  row_sums,
  row_loss,
  // Flat views over all weights of the rank.
  flat_gradient,
  replicated_gradient,  ///< the head of flat_gradient that is summed over the tensor group
  flat_weight,
  flat_master,
  flat_moment1,
  flat_moment2,
};

struct TensorId {
  TensorName name = TensorName::hidden;
  std::int64_t layer = -1;
  bool gradient = false;
  // NOLINTNEXTLINE(readability-implicit-bool-conversion): clang-tidy 14 sees <=> of bools as one
  friend auto operator<=>(const TensorId&, const TensorId&) = default;
};

[[nodiscard]] constexpr TensorId gradient_of(TensorId id) {
  id.gradient = true;
  return id;
}

/// "qkv weight", "embedding", ...; empty for what is not a weight.
[[nodiscard]] std::string_view weight_name(TensorName name);

/// Weights and optimizer state live for the whole run; activations for one micro-batch.
[[nodiscard]] constexpr bool is_weight(TensorId id) {
  return id.name >= TensorName::w_embedding && id.name <= TensorName::w_head;
}

[[nodiscard]] constexpr bool is_input(TensorId id) {
  return id.name == TensorName::tokens || id.name == TensorName::targets;
}

[[nodiscard]] constexpr bool is_activation(TensorId id) {
  return id.name >= TensorName::embedded && id.name <= TensorName::row_loss;
}

}  // namespace forerun
