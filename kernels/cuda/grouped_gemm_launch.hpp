// Starts our own grouped GEMM: unequal groups whose ends only the device knows.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "kernels/kernel_shape.hpp"
#include "units/data_type.hpp"

namespace forerun::cuda {

struct GroupedOperands {
  const void* a;
  const void* b;
  const std::int32_t* ends;
  void* c;
};

/// bf16 (matrix cores) or fp32 as `type`; operands as in kernels/operands.hpp.
void launch_grouped_gemm(cudaStream_t stream,
                         DataType type,
                         const GroupedGemmShape& shape,
                         const GroupedOperands& operands);

}  // namespace forerun::cuda
