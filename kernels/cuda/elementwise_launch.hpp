// Starts the kernels for residual sums and biases.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

struct ElementwiseSize {
  DataType type;
  std::int64_t rows;
  std::int64_t columns;
};

/// sum = a + b; `sum` may be `a` or `b`.
void launch_add(
    cudaStream_t stream, const ElementwiseSize& size, const void* a, const void* b, void* sum);

/// Adds `bias` to every row of y in place.
void launch_bias_forward(cudaStream_t stream,
                         const ElementwiseSize& size,
                         const void* bias,
                         void* y);

/// d_bias[column] += sum over rows of dy; `scratch` holds column_sum_scratch_bytes of one sum.
void launch_bias_backward(cudaStream_t stream,
                          const ElementwiseSize& size,
                          const void* dy,
                          float* d_bias,
                          float* scratch);

}  // namespace forerun::cuda
