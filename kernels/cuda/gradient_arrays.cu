// Gradients that are widened, narrowed, accumulated, measured and scaled on their own: grid-stride
// loops over packs of four, and what is left one by one.
#include <cuda_bf16.h>

#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/gradient_arrays_launch.hpp"

namespace forerun::cuda {

namespace {

constexpr int width = 4;  ///< 16 bytes of fp32

struct Replace {
  __device__ float operator()(float from, float /*to*/) const { return from; }
};

struct Accumulate {
  __device__ float operator()(float from, float to) const { return to + from; }
};

struct Scale {
  float factor;

  __device__ float operator()(float from, float /*to*/) const { return factor * from; }
};

/// to[i] = function(from[i], to[i]); the compiler drops a read that the function does not use.
template <class From, class To, int Width, class Function>
__global__ void map(Function function,
                    const Pack<From, Width>* from,
                    Pack<To, Width>* to,
                    std::int64_t items) {
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    const Pack<From, Width> given = from[i];
    Pack<To, Width> result = to[i];
    for (int k = 0; k < Width; ++k) {
      result.values[k] =
          from_float<To>(function(to_float(given.values[k]), to_float(result.values[k])));
    }
    to[i] = result;
  }
}

template <class From, class To, int Width, class Function>
void start_map(
    cudaStream_t stream, Function function, const void* from, void* to, std::int64_t elements) {
  const std::int64_t items = elements / Width;
  launch(stream,
         {blocks_for(items), block_threads},
         map<From, To, Width, Function>,
         function,
         packs_of<From, Width>(from),
         packs_of<To, Width>(to),
         items);
}

template <class From, class To, class Function>
void start_map(
    cudaStream_t stream, Function function, const void* from, void* to, std::int64_t elements) {
  const bool is_wide = elements % width == 0 && is_aligned(from, width * sizeof(From)) &&
                       is_aligned(to, width * sizeof(To));
  if (is_wide) {
    start_map<From, To, width>(stream, function, from, to, elements);
  } else {
    start_map<From, To, 1>(stream, function, from, to, elements);
  }
}

/// partial[block] = the block's share of the sum of squares.
template <class T, int Width>
__global__ void partial_squares(const Pack<T, Width>* x, std::int64_t items, float* partial) {
  float sum = 0.0F;
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    const Pack<T, Width> pack = x[i];
    for (int k = 0; k < Width; ++k) {
      const float value = to_float(pack.values[k]);
      sum += value * value;
    }
  }
  sum = reduce_block(sum, Sum{});
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = sum;
  }
}

__global__ void add_partial_squares(const float* partial, int count, float* total) {
  float sum = 0.0F;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
    sum += partial[i];
  }
  sum = reduce_block(sum, Sum{});
  if (threadIdx.x == 0) {
    *total += sum;
  }
}

template <class T, int Width>
void start_squares(
    cudaStream_t stream, const void* x, std::int64_t elements, float* sum, float* scratch) {
  const std::int64_t items = elements / Width;
  const unsigned blocks = blocks_for(items);
  launch(stream,
         {blocks, block_threads},
         partial_squares<T, Width>,
         packs_of<T, Width>(x),
         items,
         scratch);
  launch(stream, {1, block_threads}, add_partial_squares, scratch, static_cast<int>(blocks), sum);
}

template <class T>
void start_squares(
    cudaStream_t stream, const void* x, std::int64_t elements, float* sum, float* scratch) {
  if (takes_packs<T>(elements, {x})) {
    start_squares<T, wide<T>>(stream, x, elements, sum, scratch);
  } else {
    start_squares<T, 1>(stream, x, elements, sum, scratch);
  }
}

}  // namespace

void launch_widen(cudaStream_t stream, const ArraySize& size, const void* from, float* to) {
  if (size.type == DataType::bf16) {
    start_map<__nv_bfloat16, float>(stream, Replace{}, from, to, size.elements);
  } else {
    start_map<float, float>(stream, Replace{}, from, to, size.elements);
  }
}

void launch_narrow(cudaStream_t stream, const ArraySize& size, const float* from, void* to) {
  if (size.type == DataType::bf16) {
    start_map<float, __nv_bfloat16>(stream, Replace{}, from, to, size.elements);
  } else {
    start_map<float, float>(stream, Replace{}, from, to, size.elements);
  }
}

void launch_accumulate(cudaStream_t stream, const ArraySize& size, const void* from, float* to) {
  if (size.type == DataType::bf16) {
    start_map<__nv_bfloat16, float>(stream, Accumulate{}, from, to, size.elements);
  } else {
    start_map<float, float>(stream, Accumulate{}, from, to, size.elements);
  }
}

void launch_scale(cudaStream_t stream, const ArraySize& size, void* x, float factor) {
  if (size.type == DataType::bf16) {
    start_map<__nv_bfloat16, __nv_bfloat16>(stream, Scale{factor}, x, x, size.elements);
  } else {
    start_map<float, float>(stream, Scale{factor}, x, x, size.elements);
  }
}

std::size_t square_sum_scratch_bytes(const ArraySize& size) {
  return blocks_for(size.elements) * sizeof(float);
}

void launch_square_sum(
    cudaStream_t stream, const ArraySize& size, const void* x, float* sum, float* scratch) {
  if (size.type == DataType::bf16) {
    start_squares<__nv_bfloat16>(stream, x, size.elements, sum, scratch);
  } else {
    start_squares<float>(stream, x, size.elements, sum, scratch);
  }
}

}  // namespace forerun::cuda
