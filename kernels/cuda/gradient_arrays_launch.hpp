// Starts the kernels on flat arrays that some frameworks launch around the optimizer.
#pragma once

#include <cstddef>
#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// `type` is bf16 or fp32, that of every array that is not said to be fp32.
struct ArraySize {
  DataType type;
  std::int64_t elements;
};

/// to (fp32) = from, to = from (fp32), to (fp32) += from.
void launch_widen(cudaStream_t stream, const ArraySize& size, const void* from, float* to);
void launch_narrow(cudaStream_t stream, const ArraySize& size, const float* from, void* to);
void launch_accumulate(cudaStream_t stream, const ArraySize& size, const void* from, float* to);

/// x *= factor.
void launch_scale(cudaStream_t stream, const ArraySize& size, void* x, float factor);

[[nodiscard]] std::size_t square_sum_scratch_bytes(const ArraySize& size);

/// *sum += the sum of x^2, in a fixed order; `scratch` holds square_sum_scratch_bytes.
void launch_square_sum(
    cudaStream_t stream, const ArraySize& size, const void* x, float* sum, float* scratch);

}  // namespace forerun::cuda
