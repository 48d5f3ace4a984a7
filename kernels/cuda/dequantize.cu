// A thread takes the eight codes of a word at a time, which share a block's constant; what is left
// over goes one by one.
#include <algorithm>

#include <cuda_bf16.h>

#include "kernels/cuda/dequantize_launch.hpp"
#include "kernels/cuda/device_code.cuh"
#include "kernels/nf4.hpp"

namespace forerun::cuda {

namespace {

constexpr int codes_of_a_word = 8;

struct Levels {
  float values[16];
};

__device__ float scale_of(const QuantizedWeights& weights, std::int64_t element) {
  const std::int64_t block = element / nf4_block;
  return static_cast<float>(weights.blocks[block]) *
         (weights.groups[block / nf4_group] / nf4_steps);
}

template <class T, int Width>
__global__ void dequantize(QuantizedWeights weights,
                           Levels given,
                           Pack<T, Width>* to,
                           std::int64_t items) {
  __shared__ float levels[16];  // threads of a warp look up different ones at once
  if (threadIdx.x < 16) {
    levels[threadIdx.x] = given.values[threadIdx.x];
  }
  __syncthreads();
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    const std::int64_t first = i * Width;
    const float scale = scale_of(weights, first);
    Pack<T, Width> values;
    if constexpr (Width == codes_of_a_word) {
      const auto word = reinterpret_cast<const Pack<std::uint8_t, Width / 2>*>(weights.codes)[i];
      for (int k = 0; k < Width / 2; ++k) {
        values.values[2 * k] = from_float<T>(scale * levels[word.values[k] >> 4]);
        values.values[2 * k + 1] = from_float<T>(scale * levels[word.values[k] & 15]);
      }
    } else {
      const std::uint8_t pair = weights.codes[first / 2];
      values.values[0] = from_float<T>(scale * levels[first % 2 == 0 ? pair >> 4 : pair & 15]);
    }
    to[i] = values;
  }
}

template <class T, int Width>
void start(cudaStream_t stream, const QuantizedWeights& weights, void* to) {
  const std::int64_t items = weights.elements / Width;
  Levels levels;
  std::copy_n(nf4_levels.begin(), nf4_levels.size(), levels.values);
  launch(stream,
         {blocks_for(items), block_threads},
         dequantize<T, Width>,
         weights,
         levels,
         packs_of<T, Width>(to),
         items);
}

template <class T>
void start(cudaStream_t stream, const QuantizedWeights& weights, void* to) {
  const bool is_wide = weights.elements % codes_of_a_word == 0 &&
                       is_aligned(weights.codes, codes_of_a_word / 2) &&
                       is_aligned(to, codes_of_a_word * sizeof(T));
  if (is_wide) {
    start<T, codes_of_a_word>(stream, weights, to);
  } else {
    start<T, 1>(stream, weights, to);
  }
}

}  // namespace

void launch_dequantize(cudaStream_t stream,
                       const QuantizedWeights& weights,
                       DataType type,
                       void* to) {
  if (type == DataType::bf16) {
    start<__nv_bfloat16>(stream, weights, to);
  } else {
    start<float>(stream, weights, to);
  }
}

}  // namespace forerun::cuda
