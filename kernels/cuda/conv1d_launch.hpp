// Starts the causal depthwise convolution with SiLU.
#pragma once

#include <cstddef>
#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// Sizes as in ConvShape; bf16 or fp32 as `type`.
struct ConvSize {
  DataType type;
  std::int64_t batch;
  std::int64_t length;
  std::int64_t channels;
  std::int64_t width;
};

struct ConvForward {
  const void* x;
  const void* weight;
  const void* bias;
  void* y;
};

/// d_weight and d_bias accumulate. `scratch`: conv1d_scratch_bytes.
struct ConvBackward {
  const void* x;
  const void* weight;
  const void* bias;
  const void* dy;
  void* dx;
  float* d_weight;
  float* d_bias;
  float* scratch;
};

[[nodiscard]] std::size_t conv1d_scratch_bytes(const ConvSize& size);

void launch_conv1d_forward(cudaStream_t stream, const ConvSize& size, const ConvForward& operands);
void launch_conv1d_backward(cudaStream_t stream,
                            const ConvSize& size,
                            const ConvBackward& operands);

}  // namespace forerun::cuda
