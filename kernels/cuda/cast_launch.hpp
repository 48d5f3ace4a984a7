// Starts the cast to FP8 with its transpose and the largest magnitude.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

struct CastSize {
  DataType to;  ///< fp8_e4m3 or fp8_e5m2
  std::int64_t rows;
  std::int64_t columns;
};

struct CastOperands {
  const void* x;
  const float* scale;
  void* y;
  void* y_transposed;
  float* amax;
};

void launch_cast(cudaStream_t stream, const CastSize& size, const CastOperands& operands);

}  // namespace forerun::cuda
