// Starts the copy that stands for a collective where one GPU is alone.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

namespace forerun::cuda {

struct CopyOperands {
  const void* from;
  void* to;
  std::int64_t bytes;  ///< a multiple of 16, as both addresses are
};

/// As many blocks as are given, whatever the size: each goes through its share.
void launch_copy(cudaStream_t stream, unsigned blocks, const CopyOperands& operands);

}  // namespace forerun::cuda
