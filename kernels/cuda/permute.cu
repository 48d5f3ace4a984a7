// Copies of rows to and from their places among the experts.
#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/experts_launch.hpp"

namespace forerun::cuda {

namespace {

/// One block a token; `columns` counts packs.
template <class T, int Width>
__global__ void copy_to_rows(PermuteSize size,
                             const Pack<T, Width>* x,
                             const std::int32_t* row_of,
                             Pack<T, Width>* y,
                             std::int64_t columns) {
  const std::int64_t token = blockIdx.x;
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    const Pack<T, Width> pack = x[token * columns + i];
    for (std::int64_t choice = 0; choice < size.top_k; ++choice) {
      y[row_of[token * size.top_k + choice] * columns + i] = pack;
    }
  }
}

template <class T, int Width>
__global__ void sum_of_rows(PermuteSize size,
                            const Pack<T, Width>* y,
                            const std::int32_t* row_of,
                            const float* weights,
                            Pack<T, Width>* out,
                            std::int64_t columns) {
  const std::int64_t token = blockIdx.x;
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    float sums[Width] = {};
    for (std::int64_t choice = 0; choice < size.top_k; ++choice) {
      const std::int64_t at = token * size.top_k + choice;
      const float weight = weights != nullptr ? weights[at] : 1.0F;
      const Pack<T, Width> pack = y[row_of[at] * columns + i];
      for (int k = 0; k < Width; ++k) {
        sums[k] += weight * to_float(pack.values[k]);
      }
    }
    Pack<T, Width> sum;
    for (int k = 0; k < Width; ++k) {
      sum.values[k] = from_float<T>(sums[k]);
    }
    out[token * columns + i] = sum;
  }
}

/// One block a choice: dy = weight * d_out, d_weight = y . d_out.
template <class T, int Width>
__global__ void unpermute_back(PermuteSize size, UnpermuteBackward operands, std::int64_t columns) {
  using Packs = Pack<T, Width>;
  const std::int64_t choice = blockIdx.x;
  const std::int64_t row = operands.row_of[choice] * columns;
  const auto* y = static_cast<const Packs*>(operands.y) + row;
  const auto* d_out = static_cast<const Packs*>(operands.d_out) + choice / size.top_k * columns;
  auto* dy = static_cast<Packs*>(operands.dy) + row;
  const float weight = operands.weights[choice];
  float product = 0.0F;
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    const Packs gradient = d_out[i];
    const Packs value = y[i];
    Packs result;
    for (int k = 0; k < Width; ++k) {
      product += to_float(value.values[k]) * to_float(gradient.values[k]);
      result.values[k] = from_float<T>(weight * to_float(gradient.values[k]));
    }
    dy[i] = result;
  }
  product = reduce_block(product, Sum{});
  if (threadIdx.x == 0) {
    operands.d_weights[choice] = product;
  }
}

template <class T, int Width>
void start_permute(cudaStream_t stream,
                   const PermuteSize& size,
                   const void* x,
                   const std::int32_t* row_of,
                   void* y) {
  launch(stream,
         {static_cast<unsigned>(size.tokens), block_threads},
         copy_to_rows<T, Width>,
         size,
         packs_of<T, Width>(x),
         row_of,
         packs_of<T, Width>(y),
         size.columns / Width);
}

template <class T>
void start_permute(cudaStream_t stream,
                   const PermuteSize& size,
                   const void* x,
                   const std::int32_t* row_of,
                   void* y) {
  if (takes_packs<T>(size.columns, {x, y})) {
    start_permute<T, wide<T>>(stream, size, x, row_of, y);
  } else {
    start_permute<T, 1>(stream, size, x, row_of, y);
  }
}

struct WeightedRows {
  const void* y;
  const std::int32_t* row_of;
  const float* weights;
};

template <class T, int Width>
void start_sum(cudaStream_t stream, const PermuteSize& size, const WeightedRows& rows, void* out) {
  launch(stream,
         {static_cast<unsigned>(size.tokens), block_threads},
         sum_of_rows<T, Width>,
         size,
         packs_of<T, Width>(rows.y),
         rows.row_of,
         rows.weights,
         packs_of<T, Width>(out),
         size.columns / Width);
}

template <class T>
void start_sum(cudaStream_t stream, const PermuteSize& size, const WeightedRows& rows, void* out) {
  if (takes_packs<T>(size.columns, {rows.y, out})) {
    start_sum<T, wide<T>>(stream, size, rows, out);
  } else {
    start_sum<T, 1>(stream, size, rows, out);
  }
}

template <class T>
void start_unpermute_back(cudaStream_t stream,
                          const PermuteSize& size,
                          const UnpermuteBackward& operands) {
  const auto blocks = static_cast<unsigned>(size.tokens * size.top_k);
  if (takes_packs<T>(size.columns, {operands.y, operands.dy, operands.d_out})) {
    launch(stream,
           {blocks, block_threads},
           unpermute_back<T, wide<T>>,
           size,
           operands,
           size.columns / wide<T>);
  } else {
    launch(stream, {blocks, block_threads}, unpermute_back<T, 1>, size, operands, size.columns);
  }
}

}  // namespace

void launch_permute_forward(cudaStream_t stream,
                            const PermuteSize& size,
                            const void* x,
                            const std::int32_t* row_of,
                            void* y) {
  if (size.type == DataType::bf16) {
    start_permute<__nv_bfloat16>(stream, size, x, row_of, y);
  } else {
    start_permute<float>(stream, size, x, row_of, y);
  }
}

void launch_unpermute_forward(cudaStream_t stream,
                              const PermuteSize& size,
                              const void* y,
                              const std::int32_t* row_of,
                              const float* weights,
                              void* out) {
  const WeightedRows rows{y, row_of, weights};
  if (size.type == DataType::bf16) {
    start_sum<__nv_bfloat16>(stream, size, rows, out);
  } else {
    start_sum<float>(stream, size, rows, out);
  }
}

void launch_unpermute_backward(cudaStream_t stream,
                               const PermuteSize& size,
                               const UnpermuteBackward& operands) {
  if (size.type == DataType::bf16) {
    start_unpermute_back<__nv_bfloat16>(stream, size, operands);
  } else {
    start_unpermute_back<float>(stream, size, operands);
  }
}

}  // namespace forerun::cuda
