// Making the handles of the CUDA runtime.
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

}  // namespace forerun::cuda
