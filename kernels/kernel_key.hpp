// Names one kernel of a training step: what it does, on which shape, in which number format.
// The same key is what `measure` times, what `rehearse` runs and what `estimate` prices.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernel_shape.hpp"
#include "units/data_type.hpp"

namespace forerun {

enum class KernelOp {
  gemm,
  attention_forward,
  attention_backward,
  rms_norm_forward,
  rms_norm_backward,
  layer_norm_forward,
  layer_norm_backward,
  qk_norm_forward,
  qk_norm_backward,
  rope_forward,
  rope_backward,
  swiglu_forward,
  swiglu_backward,
  gelu_forward,
  gelu_backward,
  add,
  bias_forward,
  bias_backward,
  embedding_forward,
  embedding_backward,
  position_forward,
  position_backward,
  cross_entropy_max,
  cross_entropy_sum,
  cross_entropy_gradient,
  adamw,
  zero,
  copy,
  cast,
  add_rms_norm_forward,
  add_rms_norm_backward,
  add_layer_norm_forward,
  add_layer_norm_backward,
  decode_attention,
  grouped_gemm,
  router_forward,
  router_backward,
  expert_sort,
  permute_forward,
  permute_backward,
  unpermute_forward,
  unpermute_backward,
  conv1d_forward,
  conv1d_backward,
  ssd_forward,
  ssd_backward,
  selective_scan_forward,
  selective_scan_backward,
  scores_forward,
  softmax_forward,
  context_forward,
  context_backward,
  softmax_backward,
  scores_backward,
  dropout_forward,
  dropout_backward,
  bias_dropout_add_forward,
  bias_gelu_forward,
  bias_gelu_backward,
  widen,
  narrow,
  accumulate,
  square_sum,
  geglu_forward,
  geglu_backward,
  relu_forward,
  relu_backward,
  softcap_forward,
  softcap_backward,
  scale,
  layer_norm_nobias_forward,
  layer_norm_nobias_backward,
  relu_squared_forward,
  relu_squared_backward,
  row_gate_forward,
  row_gate_backward,
  sigmoid_gate_forward,
  sigmoid_gate_backward,
  gated_norm_forward,
  gated_norm_backward,
  take_columns,
  put_columns,
  latent_query_forward,
  latent_query_backward,
  latent_keys_forward,
  latent_keys_backward,
  delta_rule_forward,
  delta_rule_backward,
  dequantize,
  latent_decode_attention,
};

struct KernelKey {
  KernelOp op = KernelOp::copy;
  DataType type = DataType::bf16;
  KernelShape shape;
  friend auto operator<=>(const KernelKey&, const KernelKey&) = default;
};

[[nodiscard]] std::string_view name_of(KernelOp op);

/// One line that names the key, for profiles and messages; `kernel_key_from` reads it back:
/// "gemm bf16 m=1024 n=2304 k=768 nt", "gemm fp32 m=768 n=768 k=512 tn acc",
/// "attention_forward bf16 batch=1 length=1024 heads=12 kv_heads=12 head_size=64 causal",
/// "rms_norm_forward fp32 rows=1024 columns=768",
/// "rope_forward bf16 tokens=1024 batch=1 heads=12 kv_heads=12 head_size=64",
/// "embedding_forward bf16 tokens=1024 batch=1 columns=768 table_rows=50304",
/// "adamw bf16 elements=124439808". Sizes that may be 0 stand at the end, when they are not:
/// "attention_forward bf16 batch=1 length=1024 heads=16 kv_heads=16 head_size=192 causal
/// value_size=128", "rope_forward ... head_size=64 rotary_size=16"; scores that are not plain are
/// told last: "... causal window=4096 capped".
[[nodiscard]] std::string text_of(const KernelKey& key);
[[nodiscard]] std::optional<KernelKey> kernel_key_from(std::string_view text);

/// The numbers of the key's shape in the order of its text, those at 0 too.
[[nodiscard]] std::vector<std::int64_t> sizes_of(const KernelKey& key);

}  // namespace forerun
