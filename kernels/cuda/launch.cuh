// The two things that only nvcc's language extensions say: starting a kernel, and the shared memory
// whose size its start decides. Kernels use nothing else of them, so that an emulation that brings
// its own two (FORERUN_CUDA_EMULATED) compiles them as plain C++.
#pragma once

#include <cstddef>
#include <type_traits>

#include <cuda_runtime_api.h>

#ifndef FORERUN_CUDA_EMULATED

namespace forerun::cuda {

struct LaunchShape {
  dim3 blocks;
  dim3 threads;
  std::size_t shared_bytes = 0;  ///< of dynamic_shared()
};

/// Enqueues a kernel; what goes wrong shows in cudaGetLastError.
template <class... Parameters>
void launch(cudaStream_t stream,
            const LaunchShape& shape,
            void (*kernel)(Parameters...),
            std::type_identity_t<Parameters>... arguments) {
  kernel<<<shape.blocks, shape.threads, shape.shared_bytes, stream>>>(arguments...);
}

/// The block's dynamic shared memory, 16-byte aligned.
__device__ inline std::byte* dynamic_shared() {
  extern __shared__ __align__(16) std::byte shared[];
  return shared;
}

}  // namespace forerun::cuda

#endif
