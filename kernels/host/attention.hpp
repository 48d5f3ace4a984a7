// Attention on a CPU: FlashAttention-2's blocks, their products by oneDNN, the rest vector loops.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "kernels/host/aligned_memory.hpp"
#include "kernels/host/kernel_call.hpp"
#include "kernels/host/matmul.hpp"

namespace forerun::host {

/// How a sequence is cut: `blocks` squares of `block` positions a side cover `padded` >= length.
struct AttentionBlocks {
  explicit AttentionBlocks(const AttentionKeyShape& shape);

  std::int64_t block = 0;
  std::int64_t blocks = 0;
  std::int64_t padded = 0;
};

/// One thread's prepared products and buffers for heads of one size and blocks of one size.
/// Matrices are dense, row-major, padded with zero rows.
struct AttentionWorker {
  AttentionWorker(std::int64_t block, std::int64_t head_size);

  Matmul scores;      ///< [block x block] = X Y^T, both [block x head_size]
  Matmul weighted;    ///< [block x head_size] += P X, P [block x block]
  Matmul transposed;  ///< [block x head_size] += P^T X
  FloatScratch memory;
};

/// The three parts of a packed row and of the output row that one query head reads and writes.
struct HeadPlace {
  HeadPlace(const AttentionKeyShape& shape, std::int64_t batch_and_head);

  std::int64_t sequence = 0;
  std::int64_t head = 0;
  std::int64_t query_column = 0;
  std::int64_t key_column = 0;
  std::int64_t value_column = 0;
  std::int64_t packed_width = 0;
  std::int64_t output_width = 0;
  std::int64_t output_column = 0;
  std::int64_t lse_first = 0;  ///< lse is indexed [sequence][head][position]

  [[nodiscard]] std::int64_t packed(std::int64_t row, std::int64_t column) const {
    return row * packed_width + column;
  }

  [[nodiscard]] std::int64_t output(std::int64_t row) const {
    return row * output_width + output_column;
  }
};

/// Online softmax over blocks, no [length x length] matrix; forward keeps the log-sum-exp of each
/// row, backward recomputes the probabilities from it (Dao 2023, arXiv 2307.08691, algorithms 1 and
/// 2). Threads share out (sequence, query head); key and value gradients of a group of query heads
/// are summed afterwards, in order. Scores are scaled by 1 / sqrt(head_size).
class Attention {
 public:
  void run_forward(const KernelCall& call);
  void run_backward(const KernelCall& call);

 private:
  [[nodiscard]] std::vector<AttentionWorker>& workers_for(const AttentionKeyShape& shape);
  static void sum_groups(const KernelCall& call, const float* slabs);

  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<AttentionWorker>> workers_;
  FloatScratch key_value_gradients_;  // [sequence][query head]{keys, values}[padded][head_size]
};

/// Copies one head's column range of a sequence into `to`, times `factor`, zero beyond `length`.
struct HeadRows {
  std::int64_t first = 0;   ///< element of the first position
  std::int64_t stride = 0;  ///< elements from one position to the next
  std::int64_t length = 0;
  std::int64_t padded = 0;
  std::int64_t head_size = 0;
};

void gather(const TypedArray& from, const HeadRows& rows, float factor, float* to);

void scale_run(float* x, float factor, std::int64_t count);

/// The columns of a score row that its query may see in the block that starts at `key_first`.
[[nodiscard]] std::int64_t visible_columns(const AttentionKeyShape& shape,
                                           std::int64_t query,
                                           std::int64_t key_first,
                                           std::int64_t block);

[[nodiscard]] float score_scale(const AttentionKeyShape& shape);

}  // namespace forerun::host
