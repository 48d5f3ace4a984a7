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
  w_embedding_norm,
  b_embedding_norm,
  w_norm1,
  b_norm1,
  w_qkv,
  b_qkv,
  w_q_norm,
  w_k_norm,
  w_out,
  b_out,
  w_post_norm1,  ///< of attention's output
  b_post_norm1,
  w_norm2,
  b_norm2,
  w_up,
  b_up,
  w_down,
  b_down,
  w_post_norm2,  ///< of the FFN's output
  b_post_norm2,
  w_query_down,  ///< of latent attention
  w_query_latent_norm,
  w_query_up,
  w_kv_down,
  w_kv_latent_norm,
  w_kv_up,
  w_router,     ///< one row for each expert
  w_expert_up,  ///< of the experts held here, one after the other
  w_expert_down,
  w_expert_latent_in,  ///< every token to the width of the routed experts, and back
  w_expert_latent_out,
  w_shared_up,  ///< of the shared experts, as one FFN
  w_shared_down,
  w_final_norm,
  b_final_norm,
  w_head,
  b_head,
  w_attention_gate,  ///< of what is attended, as wide as the queries
  w_shared_gate,     ///< of the shared experts, one row
  w_mixer_in,        ///< of a Mamba or DeltaNet layer: gate, values, B, C, ... side by side
  w_mixer_beta,      ///< DeltaNet's strengths and decays
  w_conv,
  b_conv,
  w_scan_inputs,  ///< Mamba-1's dt, B and C from the convolved values
  w_step,         ///< Mamba-1's dt from its low rank
  b_step,
  w_decay,  ///< A_log
  w_skip,   ///< D
  w_step_norm,
  w_input_norm,   ///< of B
  w_output_norm,  ///< of C
  w_gated_norm,
  // Activations of one micro-batch; with `gradient` set, the gradient of the loss by them.
  embedded,  ///< embedding rows before they are reduced over the tensor group
  unnormed,  ///< embedding before a norm of its own
  embedding_stats,
  hidden,  ///< residual stream entering layer `layer`; layer L leaves the last one
  norm1,   ///< shard of the sequence, with sequence parallelism
  norm1_stats,
  norm1_full,  ///< gathered over the tensor group
  qkv_raw,     ///< before the norm of every head
  qk_stats,
  qkv,
  scores,  ///< of attention that stores them
  probabilities,
  attention_mask,  ///< of dropout on the probabilities
  dropped,         ///< probabilities after dropout
  value_gradient,  ///< of the values, before it joins that of qkv
  attended,
  log_sum_exp,
  projected_mask,  ///< of dropout on the attention's output
  projected_full,  ///< partial sum, before the reduction over the tensor group
  projected,
  post1,  ///< the norm of what attention puts out, where that has one
  post1_stats,
  middle,  ///< residual stream between attention and FFN
  norm2,
  norm2_stats,
  norm2_full,
  up,
  activated,
  down_full,
  down,
  down_mask,  ///< of dropout on the FFN's output
  undropped,  ///< gradient behind a dropout
  post2,
  post2_stats,
  joined_full,  ///< outputs of attention and FFN of a parallel block, added before the reduction
  joined,
  query_latent,
  query_latent_normed,
  query_latent_stats,
  query_latent_full,
  kv_latent,
  kv_latent_normed,
  kv_latent_stats,
  kv_latent_full,
  kv_heads,  ///< keys' own part and values, from their latent
  norm1_of_queries,
  latent_query,  ///< of latent attention: heads as its core reads them
  latent_keys,
  latent_values,
  // Pieces of attention over a sequence that lies on several ranks.
  context_query,
  context_keys,
  context_values,
  context_attended,
  context_lse,
  context_attended_gradient,
  context_query_gradient,
  context_key_gradient,
  context_value_gradient,
  attention_gate,
  gated_attention,
  norm1_of_gate,  ///< gradient of norm1 that a second projection sends back
  shared_gate_logits,
  shared_gated,
  norm2_of_gate,
  rope_key,  ///< latent attention's key part that all heads share, before it is turned
  rope_key_full,
  kv_latent_own,  ///< the latent without it
  mixer_in,
  mixer_gate,
  conv_in,
  conv_out,
  mixer_steps,  ///< raw dt, or DeltaNet's decays
  mixer_beta,
  mixer_strengths,
  scan_values,
  scan_keys,     ///< B, or DeltaNet's keys
  scan_queries,  ///< C, or DeltaNet's queries
  scan_inputs,
  scan_rank,  ///< Mamba-1's dt in its low rank
  scan_rank_normed,
  scan_rank_stats,
  scan_keys_normed,
  scan_keys_stats,
  scan_queries_normed,
  scan_queries_stats,
  scan_steps,
  scanned,
  gated_stats,
  step_bias_fp32,  ///< fp32 copies of what scans read in fp32
  decay_fp32,
  skip_fp32,
  router_logits,    ///< one for each token and expert
  router_scores,    ///< the same in fp32, as they are compared
  route_weights,    ///< of each token's choices
  chosen,           ///< experts of each token
  expert_ends,      ///< of the tokens' copies sorted by expert, those of this rank's tokens
  all_ends,         ///< of every rank of the expert group
  ends_of_parts,    ///< and of those with other parts of the same experts
  row_of,           ///< where each copy of a token lies in that order
  expert_latent,    ///< tokens in the width of the routed experts
  routed_latent,    ///< and the sum over their experts
  permuted,         ///< copies of tokens, sorted by expert
  dispatched,       ///< copies that came here, by sender and expert
  dispatched_part,  ///< those of one expert group, where several work on the same experts
  arrived_ends,     ///< of what came here, sorted by expert
  arrived_row_of,
  expert_input,
  expert_up,
  expert_activated,
  expert_output,
  returning,  ///< sorted by sender again
  returning_part,
  combined,  ///< copies of this rank's tokens after their experts
  routed,    ///< sum over a token's experts
  shared_up,
  shared_activated,
  shared_down_full,
  shared_down,
  norm2_of_router,  ///< gradients of norm2 that its readers send back
  norm2_of_shared,
  norm2_of_shared_full,
  branch,  ///< gradient that a norm sends back, before it joins the residual stream's
  final_norm,
  final_stats,
  final_full,
  logits,
  logits_fp32,
  log_probabilities,       ///< fp32; with `gradient` set, where the loss is differentiated by them
  logits_fp32_difference,  ///< fp32 gradient by the logits before it is narrowed
  capped,                  ///< logits under their cap
  row_max,
  row_sums,
  row_loss,
  weight_update,  ///< a weight's gradient of one micro-batch, before it is accumulated
  // Flat views over all weights of the rank.
  flat_gradient,
  replicated_gradient,  ///< the head of flat_gradient that is summed over the tensor group
  flat_weight,
  layer_gradient,  ///< all gradients of one layer
  layer_weight,    ///< all weights of one layer
  layer_expert_gradient,
  layer_expert_weight,
  gradient_norm,
  fp8_scale,
  fp8_amax,
  flat_master,
  flat_moment1,
  flat_moment2,
  // The same of the experts' weights, which other ranks share.
  expert_flat_gradient,
  expert_flat_weight,
  expert_flat_master,
  expert_flat_moment1,
  expert_flat_moment2,
  // KV heads that several tensor ranks hold: `layer`'s rows of the gradients of w_qkv and b_qkv,
  // their places in a buffer that has one for every KV head, and that buffer.
  kv_gradient,
  kv_bias_gradient,
  kv_slot,
  kv_bias_slot,
  kv_exchange,
};

/// The tensor itself, or an 8-bit copy that products read; of a weight of 4 bits its three arrays
/// (kernels/nf4.hpp) and its copy that products read; of a weight with an adapter its two matrices,
/// and of the activations on either side of it what the adapter adds and what lies between the two.
enum class TensorForm {
  plain,
  fp8,
  fp8_transposed,
  nf4_codes,
  nf4_blocks,
  nf4_groups,
  dequantized,
  adapter_in,
  adapter_out,
  adapter_middle,
  adapter_sum
};

struct TensorId {
  TensorName name = TensorName::hidden;
  std::int64_t layer = -1;
  bool gradient = false;
  TensorForm form = TensorForm::plain;
  std::int8_t piece = 0;  ///< of adapters: of q, k and v, or gate and up, which lie in one matrix
  // NOLINTNEXTLINE(readability-implicit-bool-conversion): clang-tidy 14 sees <=> of bools as one
  friend auto operator<=>(const TensorId&, const TensorId&) = default;
};

[[nodiscard]] constexpr TensorId gradient_of(TensorId id) {
  id.gradient = true;
  return id;
}

[[nodiscard]] constexpr TensorId with_form(TensorId id, TensorForm form, std::int8_t piece = 0) {
  id.form = form;
  id.piece = piece;
  return id;
}

/// "qkv weight", "embedding", ...; empty for what is not a weight.
[[nodiscard]] std::string_view weight_name(TensorName name);

/// Weights and optimizer state live for the whole run; activations for one micro-batch.
[[nodiscard]] constexpr bool is_weight(TensorId id) {
  return id.name >= TensorName::w_embedding && id.name <= TensorName::w_gated_norm;
}

[[nodiscard]] constexpr bool is_input(TensorId id) {
  return id.name == TensorName::tokens || id.name == TensorName::targets;
}

[[nodiscard]] constexpr bool is_activation(TensorId id) {
  return id.name >= TensorName::embedded && id.name <= TensorName::weight_update;
}

}  // namespace forerun
