#include "kernels/cuda/scratch.hpp"

#include <utility>

#include <cuda_runtime_api.h>

#include "kernels/cuda/check.hpp"

namespace forerun::cuda {

Scratch::~Scratch() {
  static_cast<void>(cudaFree(memory_));
}

void* Scratch::at_least(std::size_t bytes) {
  if (bytes > bytes_) {
    // cudaFree waits for the device, so no kernel still uses the old block.
    FORERUN_CUDA_CHECK(cudaFree(std::exchange(memory_, nullptr)));
    bytes_ = 0;
    FORERUN_CUDA_CHECK(cudaMalloc(&memory_, bytes));
    bytes_ = bytes;
  }
  return memory_;
}

}  // namespace forerun::cuda
