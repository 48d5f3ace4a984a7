// What the kernels share: number formats to fp32 and back, vector loads, sums over a block.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include "kernels/cuda/launch.cuh"
#include "units/integer.hpp"

namespace forerun::cuda {

__device__ inline float to_float(float value) {
  return value;
}

__device__ inline float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

template <class T>
__device__ T from_float(float value);

template <>
__device__ inline float from_float<float>(float value) {
  return value;
}

template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

/// `Width` neighbours that one instruction loads or stores.
template <class T, int Width>
struct alignas(sizeof(T) * Width) Pack {
  T values[Width];
};

constexpr int warp_size = 32;
constexpr int block_threads = 256;

struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }

  static constexpr float neutral = 0.0F;
};

struct Largest {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }

  static constexpr float neutral = -__builtin_huge_valf();
};

template <class Op>
__device__ float reduce_warp(float value, Op op) {
  for (int offset = warp_size / 2; offset > 0; offset /= 2) {
    value = op(value, __shfl_xor_sync(0xffffffffU, value, offset));
  }
  return value;
}

/// The same result in every thread of a one-dimensional block of whole warps, in a fixed order.
template <class Op>
__device__ float reduce_block(float value, Op op) {
  __shared__ float partial[warp_size];
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  const int warps = static_cast<int>(blockDim.x) / warp_size;
  value = reduce_warp(value, op);
  __syncthreads();  // `partial` may still be read by the previous reduction
  if (lane == 0) {
    partial[warp] = value;
  }
  __syncthreads();
  return reduce_warp(lane < warps ? partial[lane] : Op::neutral, op);
}

/// Blocks of a grid-stride loop over `items`: enough to fill any GPU, few enough to launch quickly.
inline unsigned blocks_for(std::int64_t items) {
  constexpr std::int64_t most = 8192;
  const std::int64_t blocks = ceil_div<std::int64_t>(items, block_threads);
  return static_cast<unsigned>(blocks < 1 ? 1 : (blocks < most ? blocks : most));
}

__device__ inline std::int64_t first_item() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ inline std::int64_t item_stride() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x;
}

__host__ __device__ inline bool is_aligned(const void* pointer, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

/// Elements of T that 16 bytes hold: the widest load.
template <class T>
constexpr int wide = static_cast<int>(16 / sizeof(T));

/// Whether rows of `columns` elements at these addresses (null: there is none) can be worked on in
/// packs of 16 bytes.
template <class T>
bool takes_packs(std::int64_t columns, std::initializer_list<const void*> addresses) {
  return columns % wide<T> == 0 && std::all_of(addresses.begin(), addresses.end(), [](auto* at) {
           return is_aligned(at, 16);
         });
}

template <class T, int Width>
const __host__ __device__ Pack<T, Width>* packs_of(const void* memory) {
  return static_cast<const Pack<T, Width>*>(memory);
}

template <class T, int Width>
__host__ __device__ Pack<T, Width>* packs_of(void* memory) {
  return static_cast<Pack<T, Width>*>(memory);
}

__device__ inline float sigmoid(float x) {
  return 1.0F / (1.0F + __expf(-x));
}

}  // namespace forerun::cuda
