// bf16 to FP8 by tiles that are written as they are and turned, as Transformer Engine does it.
#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include "kernels/cuda/cast_launch.hpp"
#include "kernels/cuda/device_code.cuh"

namespace forerun::cuda {

namespace {

constexpr int tile = 64;
constexpr int rows_at_once = block_threads / tile;

template <__nv_fp8_interpretation_t Format>
__global__ void cast(CastSize size, CastOperands operands) {
  __shared__ __nv_fp8_storage_t turned[tile][tile + 4];
  const auto* x = static_cast<const __nv_bfloat16*>(operands.x);
  auto* y = static_cast<__nv_fp8_storage_t*>(operands.y);
  auto* y_transposed = static_cast<__nv_fp8_storage_t*>(operands.y_transposed);
  const float scale = *operands.scale;
  const int inner = static_cast<int>(threadIdx.x) % tile;
  const int outer = static_cast<int>(threadIdx.x) / tile;
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.y) * tile;
  const std::int64_t first_column = static_cast<std::int64_t>(blockIdx.x) * tile;
  float largest = 0.0F;
  for (int i = outer; i < tile; i += rows_at_once) {
    const std::int64_t row = first_row + i;
    const std::int64_t column = first_column + inner;
    if (row < size.rows && column < size.columns) {
      const float value = to_float(x[row * size.columns + column]);
      largest = fmaxf(largest, fabsf(value));
      const __nv_fp8_storage_t result =
          __nv_cvt_float_to_fp8(value * scale, __NV_SATFINITE, Format);
      y[row * size.columns + column] = result;
      turned[inner][i] = result;
    }
  }
  __syncthreads();
  for (int i = outer; i < tile; i += rows_at_once) {
    const std::int64_t row = first_row + inner;
    const std::int64_t column = first_column + i;
    if (row < size.rows && column < size.columns) {
      y_transposed[column * size.rows + row] = turned[i][inner];
    }
  }
  largest = reduce_block(largest, Largest{});
  if (threadIdx.x == 0) {
    // Floats that are not negative are ordered as the integers of their bits.
    atomicMax(reinterpret_cast<int*>(operands.amax), __float_as_int(largest));
  }
}

}  // namespace

void launch_cast(cudaStream_t stream, const CastSize& size, const CastOperands& operands) {
  static_cast<void>(cudaMemsetAsync(operands.amax, 0, sizeof(float), stream));
  const dim3 blocks(static_cast<unsigned>(ceil_div<std::int64_t>(size.columns, tile)),
                    static_cast<unsigned>(ceil_div<std::int64_t>(size.rows, tile)));
  if (size.to == DataType::fp8_e4m3) {
    launch(stream, {blocks, block_threads}, cast<__NV_E4M3>, size, operands);
  } else {
    launch(stream, {blocks, block_threads}, cast<__NV_E5M2>, size, operands);
  }
}

}  // namespace forerun::cuda
