// Attention as cuDNN graphs: the patterns that its fused attention engines recognise.
#pragma once

#include <cstdint>

#include "kernels/cuda/dnn_graph.hpp"
#include "kernels/kernel_key.hpp"

namespace forerun::cuda {

/// How the mask of a shape is said to cuDNN. A mask that hides nothing is not said at all.
struct FusedMask {
  bool is_causal = false;
  /// The last query sees the last key (shape.offset = keys - length), not the first the first.
  bool ends_together = false;
  bool has_window = false;
};

/// The mask of a shape that fused_attention_refusal does not refuse.
[[nodiscard]] FusedMask fused_mask(const AttentionKeyShape& shape);

/// What an execution binds. q, k, v and their gradients point into packed [q|k|v] rows, which
/// strides describe, or into arrays of their own; `stats` is the log-sum-exp of every score row.
enum class AttentionSlot : std::int64_t {
  q = 1,
  k,
  v,
  out,
  stats,
  d_out,
  d_q,
  d_k,
  d_v,
  delta,           ///< scratch, fp32 [batch, heads, length]: sum of d_out * out
  d_q_sum,         ///< scratch, fp32 [batch, heads, length, head_size]
  scale,           ///< host value 1 / sqrt(head_size)
  length,          ///< host value, int32
  keys,            ///< host value, int32
  left_bound,      ///< host value, fp32: key + left_bound > query
  minus_infinity,  ///< host value
  one,             ///< host value
};

/// out = softmax(scale q k^T + mask) v and its log-sum-exp, in bf16 with fp32 arithmetic, following
/// the operation order of cudnn-frontend 1.23 (CompositeSDPANode), which the engines match on.
[[nodiscard]] DnnGraph attention_forward_graph(const AttentionKeyShape& shape);

/// d_q, d_k and d_v from d_out (CompositeSDPABackwardNode); needs cuDNN 9.6, from which on d_q_sum
/// need not be zeroed.
[[nodiscard]] DnnGraph attention_backward_graph(const AttentionKeyShape& shape);

}  // namespace forerun::cuda
