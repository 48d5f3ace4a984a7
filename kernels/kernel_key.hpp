// Names one kernel of a training step: what it does, on which shape, in which number format.
// The same key is what `measure` times, what `rehearse` runs and what `estimate` prices.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

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
};

/// Row-major C[m x n] = op(A)[m x k] * op(B)[k x n]. The second letter pair of a Linear layer with
/// weight W[out x in]: forward is nt, dgrad is nn, wgrad is tn.
enum class GemmLayout { nn, nt, tn };
/// `store` writes C in the key's type; `accumulate_fp32` adds into an fp32 C (gradient
/// accumulation fused into wgrad, as Megatron does).
enum class GemmOutput { store, accumulate_fp32 };
enum class Mask { causal, full };

struct GemmShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  GemmLayout layout = GemmLayout::nt;
  GemmOutput output = GemmOutput::store;
  friend auto operator<=>(const GemmShape&, const GemmShape&) = default;
};

/// Self-attention of `batch` sequences of `length` tokens over packed rows [q heads|k heads|v
/// heads] of width (heads + 2 kv_heads) * head_size; row = position * batch + sequence (Megatron's
/// s, b).
struct AttentionKeyShape {
  std::int64_t batch = 0;
  std::int64_t length = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_size = 0;
  Mask mask = Mask::causal;
  friend auto operator<=>(const AttentionKeyShape&, const AttentionKeyShape&) = default;
};

/// Element-wise and row-wise kernels.
struct RowsShape {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  friend auto operator<=>(const RowsShape&, const RowsShape&) = default;
};

/// Kernels on the q and k heads of packed qkv rows (rope, qk_norm); tokens = length * batch.
struct HeadsShape {
  std::int64_t tokens = 0;
  std::int64_t batch = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_size = 0;
  friend auto operator<=>(const HeadsShape&, const HeadsShape&) = default;
};

/// Table look-ups: token embedding (table_rows = local vocabulary), learned positions.
struct TableShape {
  std::int64_t tokens = 0;
  std::int64_t batch = 0;
  std::int64_t columns = 0;
  std::int64_t table_rows = 0;
  friend auto operator<=>(const TableShape&, const TableShape&) = default;
};

/// Flat arrays: adamw, zero, copy.
struct FlatShape {
  std::int64_t elements = 0;
  friend auto operator<=>(const FlatShape&, const FlatShape&) = default;
};

using KernelShape =
    std::variant<GemmShape, AttentionKeyShape, RowsShape, HeadsShape, TableShape, FlatShape>;

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
/// "adamw bf16 elements=124439808".
[[nodiscard]] std::string text_of(const KernelKey& key);
[[nodiscard]] std::optional<KernelKey> kernel_key_from(std::string_view text);

}  // namespace forerun
