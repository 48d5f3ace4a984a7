// CUDA's kernel language on a CPU, one fiber a thread: what lets tests run our own kernels where
// there is no GPU. Included before all else in .cu files that are compiled as plain C++. Blocks
// run one after the other, the warps of a block up to its next barrier, the threads of a warp up to
// the next shuffle; the order of threads can be turned round, so that a missing barrier shows. It
// says nothing about speed, nor about what depends on real hardware (memory spaces, launch limits,
// rounding of intrinsics).
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>

#include <cuda_runtime_api.h>

#define FORERUN_CUDA_EMULATED
#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __launch_bounds__
#define __global__
#define __device__
#define __host__
#define __shared__ static  // blocks run one after the other
#define __launch_bounds__(...)

struct EmulatedIndex {
  unsigned x = 0;
  unsigned y = 0;
  unsigned z = 0;
};

// Of the thread that is running.
extern EmulatedIndex threadIdx;
extern EmulatedIndex blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;

namespace forerun::emulated {

enum class ThreadOrder { forward, backward };
void set_thread_order(ThreadOrder order);

/// Allocations behind or before which something was written; known when they are freed.
[[nodiscard]] int overruns();

struct GridShape {
  dim3 blocks;
  dim3 threads;
  std::size_t shared_bytes = 0;
};

/// Runs `thread` as every thread of every block of `kernel`. Throws std::logic_error where threads
/// wait for one another for ever, where a mask leaves out its own thread or names one that is gone,
/// for a grid that no GPU takes, and for more dynamic shared memory than the kernel was allowed.
void run_grid(const void* kernel, const GridShape& grid, const std::function<void()>& thread);

void wait_for_block();
void wait_for_warp(unsigned mask);
[[nodiscard]] std::byte* dynamic_shared_memory();

/// 64 bits of every lane of the calling thread's warp, for one exchange; valid until the lane's
/// next but one exchange.
[[nodiscard]] const std::uint64_t* exchange(unsigned mask, std::uint64_t value);
[[nodiscard]] unsigned lane();

template <class T>
T from_lane(unsigned mask, T value, unsigned source) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  bits = exchange(mask, bits)[source % 32];
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace forerun::emulated

inline void __syncthreads() {
  forerun::emulated::wait_for_block();
}

inline void __syncwarp(unsigned mask = 0xffffffffU) {
  forerun::emulated::wait_for_warp(mask);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source) {
  return forerun::emulated::from_lane(mask, value, static_cast<unsigned>(source));
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int offset) {
  return forerun::emulated::from_lane(
      mask, value, forerun::emulated::lane() ^ static_cast<unsigned>(offset));
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned offset) {
  const unsigned lane = forerun::emulated::lane();
  return forerun::emulated::from_lane(mask, value, lane < offset ? lane : lane - offset);
}

template <class T>
T atomicAdd(T* target, std::type_identity_t<T> value) {
  const T before = *target;
  *target += value;
  return before;
}

template <class T>
T atomicMax(T* target, std::type_identity_t<T> value) {
  const T before = *target;
  *target = std::max(*target, value);
  return before;
}

inline int __float_as_int(float value) {
  return std::bit_cast<int>(value);
}

inline float rsqrtf(float value) {
  return 1.0F / std::sqrt(value);
}

inline float __expf(float value) {
  return std::exp(value);
}

using std::max;
using std::min;

namespace forerun::cuda {

/// kernels/cuda/matrix_core.cuh, from the PTX ISA's figures of mma.m16n8k16 for bf16: with
/// g = lane / 4 and t = lane % 4, register r of A holds row g + 8 (r % 2) and columns
/// 2 t + 8 (r / 2) and the next; register r of B rows 2 t + 8 r and the next of column g; element
/// e of C row g + 8 (e / 2), column 2 t + e % 2.
void multiply_add(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]);

using LaunchShape = emulated::GridShape;

template <class... Parameters>
void launch(cudaStream_t /*stream*/,
            const LaunchShape& shape,
            void (*kernel)(Parameters...),
            std::type_identity_t<Parameters>... arguments) {
  emulated::run_grid(reinterpret_cast<const void*>(kernel), shape, [&] { kernel(arguments...); });
}

inline std::byte* dynamic_shared() {
  return emulated::dynamic_shared_memory();
}

}  // namespace forerun::cuda
