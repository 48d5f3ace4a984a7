// Starts the three steps of cross-entropy over a vocabulary that may be split between ranks.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// rows x columns logits, of which columns [0, valid) are real; they stand for the vocabulary
/// entries first, first + 1, and so on.
struct LogitsSize {
  DataType type;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t valid;
  std::int64_t first;
};

void launch_cross_entropy_max(cudaStream_t stream,
                              const LogitsSize& size,
                              const void* logits,
                              float* row_max);

/// sums[0, rows): sums of exp(logit - max); sums[rows, 2 rows): the target's logit - max, 0 when
/// the target is not among these columns.
struct CrossEntropySum {
  const void* logits;
  const float* row_max;
  const std::int32_t* targets;
  float* sums;
};

void launch_cross_entropy_sum(cudaStream_t stream,
                              const LogitsSize& size,
                              const CrossEntropySum& operands);

/// logits become (softmax - onehot) * scale, 0 beyond `valid`; loss = log(sum) - target.
struct CrossEntropyGradient {
  void* logits;
  const float* row_max;
  const float* sums;
  const std::int32_t* targets;
  float* loss;
  float scale;
};

void launch_cross_entropy_gradient(cudaStream_t stream,
                                   const LogitsSize& size,
                                   const CrossEntropyGradient& operands);

}  // namespace forerun::cuda
