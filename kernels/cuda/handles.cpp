// Making the handles of the CUDA runtime and scratch memory that grows.
#include "kernels/cuda/handles.hpp"

#include "kernels/cuda/check.hpp"

namespace forerun::cuda {

Stream make_stream() {
  cudaStream_t stream = nullptr;
  FORERUN_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return Stream(stream);
}

Event make_event() {
  cudaEvent_t event = nullptr;
  FORERUN_CUDA_CHECK(cudaEventCreate(&event));
  return Event(event);
}

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
