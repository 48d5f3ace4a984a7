// Attention on a CPU: FlashAttention-2's blocks, their products by oneDNN, the rest vector loops.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <vector>

#include "kernels/host/aligned_memory.hpp"
#include "kernels/host/host_gemm.hpp"
#include "kernels/host/kernel_call.hpp"
#include "kernels/host/matmul.hpp"

namespace forerun::host {

/// How the score matrix of a sequence is cut: squares of `block` positions a side cover the queries
/// and the keys.
struct AttentionBlocks {
  explicit AttentionBlocks(const AttentionKeyShape& shape);

  std::int64_t block = 0;
  std::int64_t padded_queries = 0;  ///< a multiple of `block`, at least the queries
  std::int64_t padded_keys = 0;
};

/// Prepared products of one thread with matrices of `size` columns: queries and keys, or values.
/// Matrices are dense, row-major, padded with zero rows, in the products' number format; results
/// are added to fp32.
struct BlockProducts {
  BlockProducts(std::int64_t block, std::int64_t size, DataType type);

  Matmul scores;      ///< [block x block] += X Y^T, both [block x size]
  Matmul weighted;    ///< [block x size] += P X, P [block x block]
  Matmul transposed;  ///< [block x size] += P^T X
};

/// Rows of one matrix in the format of the products, in memory that is counted in floats.
struct BlockMatrix {
  void* data = nullptr;
  DataType type = DataType::fp32;

  /// Floats that `elements` take, whole cache lines.
  [[nodiscard]] static std::int64_t floats(std::int64_t elements, DataType type);

  [[nodiscard]] void* at(std::int64_t element) const;

  /// fp32 values into the matrix: where the products are fp32 too, `data` is where they are.
  void assign(const float* values, std::int64_t elements) const;
};

/// One thread's products and buffers for heads of one size and blocks of one size.
struct AttentionWorker {
  AttentionWorker(std::int64_t block, const AttentionKeyShape& shape, DataType product);

  DataType type;
  BlockProducts keyed;   ///< columns of queries and keys
  BlockProducts valued;  ///< columns of values and outputs
  FloatScratch memory;
};

/// The rows of one head in one operand.
struct HeadRows {
  std::size_t operand = 0;
  std::int64_t first = 0;   ///< element of the first position
  std::int64_t stride = 0;  ///< elements from one position to the next
  std::int64_t length = 0;
  std::int64_t size = 0;  ///< elements of a row

  [[nodiscard]] std::int64_t at(std::int64_t position) const { return first + position * stride; }

  /// The same rows of another operand of the same layout.
  [[nodiscard]] HeadRows in(std::size_t other) const {
    return {other, first, stride, length, size};
  }
};

/// Where one query head of one sequence reads and writes, packed or not.
struct HeadPlace {
  HeadPlace(const AttentionKeyShape& shape, std::int64_t batch_and_head);

  HeadRows query;
  HeadRows key;
  HeadRows value;
  HeadRows output;
  std::size_t lse_operand = 0;
  std::size_t d_output_operand = 0;
  std::size_t d_query_operand =
      0;  ///< d_key and d_value: the same one when packed, else the next two
  std::size_t d_key_operand = 0;
  std::size_t d_value_operand = 0;
  std::int64_t lse_first = 0;  ///< lse is indexed [sequence][head][position]
};

/// Online softmax over blocks, no [length x length] matrix; forward keeps the log-sum-exp of each
/// row, backward recomputes the probabilities from it (Dao 2023, arXiv 2307.08691, algorithms 1 and
/// 2). Blocks that the mask hides are not computed. Threads share out (sequence, query head); key
/// and value gradients of a group of query heads are summed afterwards, in order. Scores are scaled
/// by 1 / sqrt(head_size).
///
/// bf16 operands are multiplied in bf16 where the CPU does that: probabilities and their gradients
/// are then rounded to bf16 before the second product, as on a GPU. Each rounding is at most 2^-9
/// of an element and they average out in the sums, so that results keep the 4e-3 of one rounding.
class Attention {
 public:
  explicit Attention(Bf16Gemm bf16) : bf16_(bf16) {}

  void run_forward(const KernelCall& call);
  void run_backward(const KernelCall& call);

 private:
  struct WorkerKind {
    std::int64_t block = 0;
    std::int64_t head_size = 0;
    std::int64_t value_size = 0;
    DataType type = DataType::fp32;
    friend auto operator<=>(const WorkerKind&, const WorkerKind&) = default;
  };

  [[nodiscard]] std::vector<AttentionWorker>& workers_for(const KernelCall& call);
  static void sum_groups(const KernelCall& call, const float* slabs);

  Bf16Gemm bf16_;
  std::map<WorkerKind, std::vector<AttentionWorker>> workers_;
  // [sequence][query head]{keys [padded][head_size], values [padded][value_size]}
  FloatScratch key_value_gradients_;
};

/// Copies one head's rows into `to`, zero beyond their length up to `padded`.
void gather(const KernelCall& call,
            const HeadRows& rows,
            std::int64_t padded,
            const BlockMatrix& to);

/// The columns of a score row that its query sees in the block that starts at `key_first`.
[[nodiscard]] VisibleKeys visible_columns(const AttentionKeyShape& shape,
                                          std::int64_t query,
                                          std::int64_t key_first,
                                          std::int64_t block);

/// The keys that any query of [first, first + block) sees.
[[nodiscard]] VisibleKeys keys_of_block(const AttentionKeyShape& shape,
                                        std::int64_t query_first,
                                        std::int64_t block);

[[nodiscard]] float score_scale(const AttentionKeyShape& shape);

}  // namespace forerun::host
