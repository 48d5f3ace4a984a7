// Starts the kernel that brings 4-bit weights back to the format that products read.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// As kernels/nf4.hpp lays them out.
struct QuantizedWeights {
  const std::uint8_t* codes;
  const std::uint8_t* blocks;
  const float* groups;
  std::int64_t elements;
};

/// `to` is of `type`, bf16 or fp32.
void launch_dequantize(cudaStream_t stream,
                       const QuantizedWeights& weights,
                       DataType type,
                       void* to);

}  // namespace forerun::cuda
