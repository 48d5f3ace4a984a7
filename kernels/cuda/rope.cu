// Rotary positions on the query and key heads of packed rows, one block a token.
#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/rope_launch.hpp"

namespace forerun::cuda {

namespace {

/// Each thread keeps one pair index, so that it computes one sine and cosine for all its heads.
template <class T>
__global__ void rotate(RopeSize size, T* qkv, float log2_theta, float direction) {
  const std::int64_t half = size.rotary_size / 2;
  const std::int64_t token = blockIdx.x;
  T* row = qkv + token * (size.heads + 2 * size.kv_heads) * size.head_size;
  const auto position = static_cast<float>((size.first + token) / size.batch);
  for (std::int64_t i = threadIdx.x; i < half; i += blockDim.x) {
    const float exponent = -2.0F * static_cast<float>(i) / static_cast<float>(size.rotary_size);
    float sine = 0.0F;
    float cosine = 0.0F;
    sincosf(position * exp2f(exponent * log2_theta), &sine, &cosine);
    sine *= direction;
    for (std::int64_t head = threadIdx.y; head < size.heads + size.kv_heads; head += blockDim.y) {
      T* pair = row + head * size.head_size + i;
      const float first = to_float(pair[0]);
      const float second = to_float(pair[half]);
      pair[0] = from_float<T>(first * cosine - second * sine);
      pair[half] = from_float<T>(second * cosine + first * sine);
    }
  }
}

}  // namespace

void launch_rope(
    cudaStream_t stream, const RopeSize& size, void* qkv, double theta, Rotation rotation) {
  const dim3 block(warp_size, block_threads / warp_size);
  const auto blocks = static_cast<unsigned>(size.tokens);
  const auto log2_theta = static_cast<float>(log2(theta));
  const float direction = rotation == Rotation::forward ? 1.0F : -1.0F;
  if (size.type == DataType::bf16) {
    launch(stream,
           {blocks, block},
           rotate<__nv_bfloat16>,
           size,
           static_cast<__nv_bfloat16*>(qkv),
           log2_theta,
           direction);
  } else {
    launch(stream,
           {blocks, block},
           rotate<float>,
           size,
           static_cast<float*>(qkv),
           log2_theta,
           direction);
  }
}

}  // namespace forerun::cuda
