// Softmax of stored scores, forward and backward, one warp a row.
#include <cuda_bf16.h>

#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/stored_softmax_launch.hpp"

namespace forerun::cuda {

namespace {

/// A warp's row of scores, in packs of `Width` keys.
struct Row {
  std::int64_t index;
  std::int64_t first_key;  ///< that the row's query sees
  std::int64_t end_key;
  int lane;

  __device__ explicit Row(const SoftmaxSize& size)
      : index(first_item() / warp_size), lane(static_cast<int>(threadIdx.x) % warp_size) {
    const std::int64_t query = index % size.length;
    first_key = max(query - size.reach_back, std::int64_t{0});
    end_key = min(query + size.reach_ahead + 1, size.keys);
  }

  __device__ bool sees(std::int64_t key) const { return key >= first_key && key < end_key; }
};

template <class T, int Width>
__global__ void soften(SoftmaxSize size, const Pack<T, Width>* scores, Pack<T, Width>* out) {
  const Row row(size);
  if (row.index >= size.rows) {
    return;
  }
  const std::int64_t packs = size.keys / Width;
  const Pack<T, Width>* x = scores + row.index * packs;
  Pack<T, Width>* y = out + row.index * packs;
  float largest = Largest::neutral;
  for (std::int64_t i = row.lane; i < packs; i += warp_size) {
    const Pack<T, Width> pack = x[i];
    for (int k = 0; k < Width; ++k) {
      if (row.sees(i * Width + k)) {
        largest = fmaxf(largest, to_float(pack.values[k]));
      }
    }
  }
  largest = reduce_warp(largest, Largest{});
  float total = 0.0F;
  for (std::int64_t i = row.lane; i < packs; i += warp_size) {
    const Pack<T, Width> pack = x[i];
    for (int k = 0; k < Width; ++k) {
      if (row.sees(i * Width + k)) {
        total += __expf(size.scale * (to_float(pack.values[k]) - largest));
      }
    }
  }
  total = reduce_warp(total, Sum{});
  for (std::int64_t i = row.lane; i < packs; i += warp_size) {
    const Pack<T, Width> pack = x[i];
    Pack<T, Width> result;
    for (int k = 0; k < Width; ++k) {
      result.values[k] =
          from_float<T>(row.sees(i * Width + k)
                            ? __expf(size.scale * (to_float(pack.values[k]) - largest)) / total
                            : 0.0F);
    }
    y[i] = result;
  }
}

/// ds = scale p (dp - sum of p dp); p is 0 where the mask hides.
template <class T, int Width>
__global__ void soften_gradient(SoftmaxSize size,
                                const Pack<T, Width>* probabilities,
                                const Pack<T, Width>* gradients,
                                Pack<T, Width>* out) {
  const Row row(size);
  if (row.index >= size.rows) {
    return;
  }
  const std::int64_t packs = size.keys / Width;
  const Pack<T, Width>* p = probabilities + row.index * packs;
  const Pack<T, Width>* dp = gradients + row.index * packs;
  Pack<T, Width>* ds = out + row.index * packs;
  float projection = 0.0F;
  for (std::int64_t i = row.lane; i < packs; i += warp_size) {
    const Pack<T, Width> share = p[i];
    const Pack<T, Width> gradient = dp[i];
    for (int k = 0; k < Width; ++k) {
      projection += to_float(share.values[k]) * to_float(gradient.values[k]);
    }
  }
  projection = reduce_warp(projection, Sum{});
  for (std::int64_t i = row.lane; i < packs; i += warp_size) {
    const Pack<T, Width> share = p[i];
    const Pack<T, Width> gradient = dp[i];
    Pack<T, Width> result;
    for (int k = 0; k < Width; ++k) {
      result.values[k] = from_float<T>(size.scale * to_float(share.values[k]) *
                                       (to_float(gradient.values[k]) - projection));
    }
    ds[i] = result;
  }
}

LaunchShape shape_of(const SoftmaxSize& size) {
  return {static_cast<unsigned>(ceil_div<std::int64_t>(size.rows * warp_size, block_threads)),
          block_threads};
}

template <class T, int Width>
void start_forward(cudaStream_t stream, const SoftmaxSize& size, const void* scores, void* out) {
  launch(stream,
         shape_of(size),
         soften<T, Width>,
         size,
         packs_of<T, Width>(scores),
         packs_of<T, Width>(out));
}

template <class T>
void start_forward(cudaStream_t stream, const SoftmaxSize& size, const void* scores, void* out) {
  if (takes_packs<T>(size.keys, {scores, out})) {
    start_forward<T, wide<T>>(stream, size, scores, out);
  } else {
    start_forward<T, 1>(stream, size, scores, out);
  }
}

template <class T, int Width>
void start_backward(cudaStream_t stream, const SoftmaxSize& size, const SoftmaxBackward& at) {
  launch(stream,
         shape_of(size),
         soften_gradient<T, Width>,
         size,
         packs_of<T, Width>(at.probabilities),
         packs_of<T, Width>(at.d_probabilities),
         packs_of<T, Width>(at.d_scores));
}

template <class T>
void start_backward(cudaStream_t stream, const SoftmaxSize& size, const SoftmaxBackward& at) {
  if (takes_packs<T>(size.keys, {at.probabilities, at.d_probabilities, at.d_scores})) {
    start_backward<T, wide<T>>(stream, size, at);
  } else {
    start_backward<T, 1>(stream, size, at);
  }
}

}  // namespace

void launch_softmax_forward(cudaStream_t stream,
                            const SoftmaxSize& size,
                            const void* scores,
                            void* probabilities) {
  if (size.type == DataType::bf16) {
    start_forward<__nv_bfloat16>(stream, size, scores, probabilities);
  } else {
    start_forward<float>(stream, size, scores, probabilities);
  }
}

void launch_softmax_backward(cudaStream_t stream,
                             const SoftmaxSize& size,
                             const SoftmaxBackward& operands) {
  if (size.type == DataType::bf16) {
    start_backward<__nv_bfloat16>(stream, size, operands);
  } else {
    start_backward<float>(stream, size, operands);
  }
}

}  // namespace forerun::cuda
