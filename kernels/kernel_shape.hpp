// The sizes of each kind of kernel: what its key is made of, beside operation and number format.
#pragma once

#include <compare>
#include <cstdint>
#include <variant>
#include <vector>

namespace forerun {

/// Row-major C[m x n] = op(A)[m x k] * op(B)[k x n]. The second letter pair of a Linear layer with
/// weight W[out x in]: forward is nt, dgrad is nn, wgrad is tn.
enum class GemmLayout { nn, nt, tn };
/// `store` writes C in the key's type; `accumulate_fp32` adds into an fp32 C (gradient
/// accumulation fused into wgrad, as Megatron does).
enum class GemmOutput { store, accumulate_fp32 };
enum class Mask { causal, full };
/// What attention does to a scaled score before the softmax: nothing; adds the slope of its head
/// times (key position - query position) (ALiBi, Press et al. 2021, arXiv 2108.12409); cap *
/// tanh(score / cap) (Gemma 2, arXiv 2408.00118, section 2).
enum class Scores { plain, alibi, capped };

struct GemmShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  GemmLayout layout = GemmLayout::nt;
  GemmOutput output = GemmOutput::store;
  friend auto operator<=>(const GemmShape&, const GemmShape&) = default;
};

/// The experts' products: `groups` weights [n x k] and `rows` rows, sorted by group, of which the
/// most loaded group has `largest`. nt (forward): C[rows x n] = A[rows x k] W^T; nn (dgrad):
/// C[rows x k] = A[rows x n] W; tn (wgrad): C[groups x n x k] = A[rows x n]^T B[rows x k], group by
/// group.
struct GroupedGemmShape {
  std::int64_t groups = 0;
  std::int64_t rows = 0;
  std::int64_t largest = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  GemmLayout layout = GemmLayout::nt;
  GemmOutput output = GemmOutput::store;
  friend auto operator<=>(const GroupedGemmShape&, const GroupedGemmShape&) = default;
};

/// Rows of each group, largest first, none negative, of a power law i^-alpha (as loads of trained
/// routers are drawn, modelling.md 1.2) whose first group gets `largest` of all `rows`; equal, but
/// for rounding, when `largest` is the mean rounded up. Throws std::invalid_argument when `largest`
/// groups cannot hold the rows or `largest` exceeds them.
[[nodiscard]] std::vector<std::int64_t> group_rows(const GroupedGemmShape& shape);

/// Attention of `batch` sequences; row = position * batch + sequence (Megatron's s, b). Packed rows
/// [q heads|k heads|v heads] of width (heads + 2 kv_heads) * head_size when queries and keys are
/// the same positions and all heads have one size; separate q, k and v otherwise.
struct AttentionKeyShape {
  std::int64_t batch = 0;
  std::int64_t length = 0;  ///< queries of one sequence
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_size = 0;  ///< of queries and keys
  Mask mask = Mask::causal;
  std::int64_t keys = 0;        ///< keys and values of one sequence; 0: as many as queries
  std::int64_t offset = 0;      ///< position of the first query, counted from the first key's
  std::int64_t window = 0;      ///< a query sees this many keys, its own the last; 0: all
  std::int64_t value_size = 0;  ///< of values and outputs; 0: head_size
  Scores scores = Scores::plain;
  friend auto operator<=>(const AttentionKeyShape&, const AttentionKeyShape&) = default;
};

/// ALiBi's slope of `head` (from 0) of `heads`: 2^(-8 (head + 1) / n) for n heads, a power of two;
/// else so for the largest n below, then every second slope of 2 n heads (arXiv 2108.12409, section
/// 3, and its code).
[[nodiscard]] double alibi_slope(std::int64_t head, std::int64_t heads);

[[nodiscard]] std::int64_t key_length(const AttentionKeyShape& shape);
[[nodiscard]] std::int64_t value_size(const AttentionKeyShape& shape);
[[nodiscard]] bool is_packed(const AttentionKeyShape& shape);

/// Keys [first, last) that query `query` sees, within [0, key_length): the mask's only definition.
/// Causal: none after the query's own position. A window with a full mask is none before it only.
struct VisibleKeys {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

[[nodiscard]] VisibleKeys visible_keys(const AttentionKeyShape& shape, std::int64_t query);

/// One query for each of `batch` sequences against its cache of `context` keys and values; for
/// latent_decode_attention a value is the first value_size elements of its key.
struct DecodeShape {
  std::int64_t batch = 0;
  std::int64_t context = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_size = 0;
  std::int64_t value_size = 0;  ///< of values and outputs; 0: head_size
  friend auto operator<=>(const DecodeShape&, const DecodeShape&) = default;
};

[[nodiscard]] std::int64_t value_size(const DecodeShape& shape);

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
  std::int64_t rotary_size = 0;  ///< rope turns this many first elements of a head; 0: all
  friend auto operator<=>(const HeadsShape&, const HeadsShape&) = default;
};

[[nodiscard]] std::int64_t rotary_size(const HeadsShape& shape);

/// Table look-ups: token embedding (table_rows = local vocabulary), learned positions.
struct TableShape {
  std::int64_t tokens = 0;
  std::int64_t batch = 0;
  std::int64_t columns = 0;
  std::int64_t table_rows = 0;
  friend auto operator<=>(const TableShape&, const TableShape&) = default;
};

/// Choice of `top_k` of `experts` for each token, and the sort of the choices by expert.
struct RouterShape {
  std::int64_t tokens = 0;
  std::int64_t experts = 0;
  std::int64_t top_k = 0;
  friend auto operator<=>(const RouterShape&, const RouterShape&) = default;
};

/// Rows of tokens to rows sorted by expert and back: `top_k` copies of each token.
struct PermuteShape {
  std::int64_t tokens = 0;
  std::int64_t top_k = 0;
  std::int64_t columns = 0;
  friend auto operator<=>(const PermuteShape&, const PermuteShape&) = default;
};

/// Causal depthwise convolution along the sequence, `width` taps.
struct ConvShape {
  std::int64_t batch = 0;
  std::int64_t length = 0;
  std::int64_t channels = 0;
  std::int64_t width = 0;
  friend auto operator<=>(const ConvShape&, const ConvShape&) = default;
};

/// Mamba-2's state-space dual form (Dao, Gu 2024, arXiv 2405.21060), worked on in chunks.
struct SsdShape {
  std::int64_t batch = 0;
  std::int64_t length = 0;
  std::int64_t heads = 0;
  std::int64_t head_size = 0;
  std::int64_t groups = 0;  ///< of B and C; divides heads
  std::int64_t state = 0;
  std::int64_t chunk = 0;
  friend auto operator<=>(const SsdShape&, const SsdShape&) = default;
};

/// Mamba-1's selective scan (Gu, Dao 2023, arXiv 2312.00752).
struct ScanShape {
  std::int64_t batch = 0;
  std::int64_t length = 0;
  std::int64_t channels = 0;
  std::int64_t state = 0;
  friend auto operator<=>(const ScanShape&, const ScanShape&) = default;
};

/// Gated delta rule (Yang et al. 2024, arXiv 2412.06464), worked on in chunks; each key head serves
/// heads / key_heads value heads.
struct DeltaShape {
  std::int64_t batch = 0;
  std::int64_t length = 0;
  std::int64_t heads = 0;  ///< of values
  std::int64_t key_heads = 0;
  std::int64_t key_size = 0;
  std::int64_t value_size = 0;
  std::int64_t chunk = 0;
  friend auto operator<=>(const DeltaShape&, const DeltaShape&) = default;
};

/// A norm over each of `groups` equal runs of a row.
struct GroupedRowsShape {
  std::int64_t rows = 0;
  std::int64_t columns = 0;  ///< of all groups together
  std::int64_t groups = 0;
  friend auto operator<=>(const GroupedRowsShape&, const GroupedRowsShape&) = default;
};

/// Columns [first, first + columns) of rows of `width`.
struct ColumnsShape {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t width = 0;
  std::int64_t first = 0;
  friend auto operator<=>(const ColumnsShape&, const ColumnsShape&) = default;
};

/// Heads of latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): each of `nope_size`
/// elements of its own and `rope_size` that rope turns; tokens = length * batch.
struct LatentHeadsShape {
  std::int64_t tokens = 0;
  std::int64_t batch = 0;
  std::int64_t heads = 0;
  std::int64_t nope_size = 0;
  std::int64_t rope_size = 0;
  std::int64_t value_size = 0;
  friend auto operator<=>(const LatentHeadsShape&, const LatentHeadsShape&) = default;
};

/// Flat arrays: adamw, zero, copy.
struct FlatShape {
  std::int64_t elements = 0;
  friend auto operator<=>(const FlatShape&, const FlatShape&) = default;
};

using KernelShape = std::variant<GemmShape,
                                 GroupedGemmShape,
                                 AttentionKeyShape,
                                 DecodeShape,
                                 RowsShape,
                                 HeadsShape,
                                 TableShape,
                                 RouterShape,
                                 PermuteShape,
                                 ConvShape,
                                 SsdShape,
                                 ScanShape,
                                 DeltaShape,
                                 GroupedRowsShape,
                                 ColumnsShape,
                                 LatentHeadsShape,
                                 FlatShape>;

}  // namespace forerun
