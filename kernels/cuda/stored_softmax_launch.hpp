// Starts the softmax of attention that stores its scores.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// `rows` of `keys` scores, row = head of a sequence * length + query. A query sees the keys
/// [query - reach_back, query + reach_ahead], as in AttentionSize. bf16 or fp32.
struct SoftmaxSize {
  DataType type;
  std::int64_t rows;
  std::int64_t length;
  std::int64_t keys;
  std::int64_t reach_back;
  std::int64_t reach_ahead;
  float scale;  ///< of a score, before the softmax
};

void launch_softmax_forward(cudaStream_t stream,
                            const SoftmaxSize& size,
                            const void* scores,
                            void* probabilities);

struct SoftmaxBackward {
  const void* probabilities;
  const void* d_probabilities;
  void* d_scores;
};

void launch_softmax_backward(cudaStream_t stream,
                             const SoftmaxSize& size,
                             const SoftmaxBackward& operands);

}  // namespace forerun::cuda
