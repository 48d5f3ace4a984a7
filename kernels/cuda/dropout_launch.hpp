// Starts the dropout kernels.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// bf16 or fp32.
struct DropoutSize {
  DataType type;
  std::int64_t rows;
  std::int64_t columns;
};

/// y = residual + keep? (x + bias) / keep : 0, where element i is kept when dropout_draw(seed, i) <
/// keep, which `mask` records. `bias` of one row and `residual` are null for none.
struct DropoutForward {
  const void* x;
  const void* bias;
  const void* residual;
  void* y;
  std::uint8_t* mask;
  float keep;
  std::uint64_t seed;
};

struct DropoutBackward {
  const void* dy;
  const std::uint8_t* mask;
  void* dx;
  float keep;
};

void launch_dropout_forward(cudaStream_t stream,
                            const DropoutSize& size,
                            const DropoutForward& operands);
void launch_dropout_backward(cudaStream_t stream,
                             const DropoutSize& size,
                             const DropoutBackward& operands);

}  // namespace forerun::cuda
