#include "kernels/cuda/pressure.hpp"

#include <new>

#include "kernels/cuda/check.hpp"
#include "kernels/cuda/copy_launch.hpp"

namespace forerun::cuda {

Pressure::~Pressure() {
  static_cast<void>(cudaFree(from_));
  static_cast<void>(cudaFree(to_));
}

void Pressure::grow(std::size_t bytes) {
  if (bytes <= bytes_) {
    return;
  }
  for (void** buffer : {&from_, &to_}) {
    FORERUN_CUDA_CHECK(cudaFree(*buffer));
    *buffer = nullptr;
  }
  bytes_ = 0;
  for (void** buffer : {&from_, &to_}) {
    const cudaError_t status = cudaMalloc(buffer, bytes);
    if (status == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());
      throw std::bad_alloc();
    }
    FORERUN_CUDA_CHECK(status);
    FORERUN_CUDA_CHECK(cudaMemsetAsync(*buffer, 0, bytes, stream_.raw()));
  }
  bytes_ = bytes;
}

void Pressure::start(std::int64_t blocks, std::size_t bytes) {
  if (stream_.raw() == nullptr) {
    stream_ = make_stream();
  }
  grow(bytes);
  launch_copy(
      stream_.raw(), static_cast<unsigned>(blocks), {from_, to_, static_cast<std::int64_t>(bytes)});
  FORERUN_CUDA_CHECK(cudaGetLastError());
}

void Pressure::finish() {
  FORERUN_CUDA_CHECK(cudaStreamSynchronize(stream_.raw()));
}

}  // namespace forerun::cuda
