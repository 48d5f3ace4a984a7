// RMSNorm and LayerNorm over rows, forward and backward, one block a row.
#include "kernels/cuda/column_sums.cuh"
#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/norm_launch.hpp"

namespace forerun::cuda {

namespace {

template <class T>
__global__ void rms_forward(NormForward operands, std::int64_t columns) {
  const std::int64_t row = blockIdx.x;
  const T* x = static_cast<const T*>(operands.x) + row * columns;
  const T* weight = static_cast<const T*>(operands.weight);
  T* y = static_cast<T*>(operands.y) + row * columns;
  float squares = 0.0F;
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    const float value = to_float(x[i]);
    squares += value * value;
  }
  squares = reduce_block(squares, Sum{});
  const float rstd = rsqrtf(squares / static_cast<float>(columns) + operands.epsilon);
  if (threadIdx.x == 0) {
    operands.stats[row] = rstd;
  }
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    y[i] = from_float<T>(to_float(x[i]) * rstd * to_float(weight[i]));
  }
}

/// dx = rstd * (g - xhat * mean(g * xhat)), g = dy * weight, xhat = x * rstd.
template <class T>
__global__ void rms_backward(NormBackward operands, std::int64_t columns) {
  const std::int64_t row = blockIdx.x;
  const T* x = static_cast<const T*>(operands.x) + row * columns;
  const T* dy = static_cast<const T*>(operands.dy) + row * columns;
  const T* weight = static_cast<const T*>(operands.weight);
  T* dx = static_cast<T*>(operands.dx) + row * columns;
  const float rstd = operands.stats[row];
  float products = 0.0F;
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    products += to_float(dy[i]) * to_float(weight[i]) * to_float(x[i]) * rstd;
  }
  const float mean_product = reduce_block(products, Sum{}) / static_cast<float>(columns);
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    const float g = to_float(dy[i]) * to_float(weight[i]);
    dx[i] = from_float<T>(rstd * (g - to_float(x[i]) * rstd * mean_product));
  }
}

template <class T>
__global__ void layer_forward(NormForward operands, std::int64_t columns) {
  const std::int64_t row = blockIdx.x;
  const std::int64_t rows = gridDim.x;
  const T* x = static_cast<const T*>(operands.x) + row * columns;
  const T* weight = static_cast<const T*>(operands.weight);
  const T* bias = static_cast<const T*>(operands.bias);
  T* y = static_cast<T*>(operands.y) + row * columns;
  float total = 0.0F;
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    total += to_float(x[i]);
  }
  const float mean = reduce_block(total, Sum{}) / static_cast<float>(columns);
  float squares = 0.0F;
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    const float centred = to_float(x[i]) - mean;
    squares += centred * centred;
  }
  squares = reduce_block(squares, Sum{});
  const float rstd = rsqrtf(squares / static_cast<float>(columns) + operands.epsilon);
  if (threadIdx.x == 0) {
    operands.stats[row] = mean;
    operands.stats[rows + row] = rstd;
  }
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    const float normal = (to_float(x[i]) - mean) * rstd;
    y[i] = from_float<T>(normal * to_float(weight[i]) + to_float(bias[i]));
  }
}

/// dx = rstd * (g - mean(g) - xhat * mean(g * xhat)), g = dy * weight, xhat = (x - mean) * rstd.
template <class T>
__global__ void layer_backward(NormBackward operands, std::int64_t columns) {
  const std::int64_t row = blockIdx.x;
  const std::int64_t rows = gridDim.x;
  const T* x = static_cast<const T*>(operands.x) + row * columns;
  const T* dy = static_cast<const T*>(operands.dy) + row * columns;
  const T* weight = static_cast<const T*>(operands.weight);
  T* dx = static_cast<T*>(operands.dx) + row * columns;
  const float mean = operands.stats[row];
  const float rstd = operands.stats[rows + row];
  float sum = 0.0F;
  float products = 0.0F;
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    const float g = to_float(dy[i]) * to_float(weight[i]);
    sum += g;
    products += g * (to_float(x[i]) - mean) * rstd;
  }
  const float mean_g = reduce_block(sum, Sum{}) / static_cast<float>(columns);
  const float mean_product = reduce_block(products, Sum{}) / static_cast<float>(columns);
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    const float g = to_float(dy[i]) * to_float(weight[i]);
    const float normal = (to_float(x[i]) - mean) * rstd;
    dx[i] = from_float<T>(rstd * (g - mean_g - normal * mean_product));
  }
}

template <class T>
struct RmsWeightTerm {
  const T* x;
  const T* dy;
  const float* rstd;
  std::int64_t columns;

  __device__ void operator()(std::int64_t row, std::int64_t column, float (&sums)[1]) const {
    const std::int64_t at = row * columns + column;
    sums[0] += to_float(dy[at]) * to_float(x[at]) * rstd[row];
  }
};

template <class T>
struct LayerWeightTerm {
  const T* x;
  const T* dy;
  const float* mean;
  const float* rstd;
  std::int64_t columns;

  __device__ void operator()(std::int64_t row, std::int64_t column, float (&sums)[2]) const {
    const std::int64_t at = row * columns + column;
    const float gradient = to_float(dy[at]);
    sums[0] += gradient * (to_float(x[at]) - mean[row]) * rstd[row];
    sums[1] += gradient;
  }
};

template <class T>
void rms_weight_gradient(cudaStream_t stream, const NormSize& size, const NormBackward& operands) {
  const RmsWeightTerm<T> term{static_cast<const T*>(operands.x),
                              static_cast<const T*>(operands.dy),
                              operands.stats,
                              size.columns};
  add_column_sums<1>(
      stream, term, {size.rows, size.columns}, operands.scratch, Targets<1>{{operands.d_weight}});
}

template <class T>
void layer_weight_gradients(cudaStream_t stream,
                            const NormSize& size,
                            const NormBackward& operands) {
  const LayerWeightTerm<T> term{static_cast<const T*>(operands.x),
                                static_cast<const T*>(operands.dy),
                                operands.stats,
                                operands.stats + size.rows,
                                size.columns};
  add_column_sums<2>(stream,
                     term,
                     {size.rows, size.columns},
                     operands.scratch,
                     Targets<2>{{operands.d_weight, operands.d_bias}});
}

}  // namespace

std::size_t column_sum_scratch_bytes(int sums, std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(row_chunks(rows, columns) * sums * columns) * sizeof(float);
}

void launch_rms_norm_forward(cudaStream_t stream,
                             const NormSize& size,
                             const NormForward& operands) {
  const auto rows = static_cast<unsigned>(size.rows);
  if (size.type == DataType::bf16) {
    rms_forward<__nv_bfloat16><<<rows, block_threads, 0, stream>>>(operands, size.columns);
  } else {
    rms_forward<float><<<rows, block_threads, 0, stream>>>(operands, size.columns);
  }
}

void launch_rms_norm_backward(cudaStream_t stream,
                              const NormSize& size,
                              const NormBackward& operands) {
  const auto rows = static_cast<unsigned>(size.rows);
  if (size.type == DataType::bf16) {
    rms_backward<__nv_bfloat16><<<rows, block_threads, 0, stream>>>(operands, size.columns);
    rms_weight_gradient<__nv_bfloat16>(stream, size, operands);
  } else {
    rms_backward<float><<<rows, block_threads, 0, stream>>>(operands, size.columns);
    rms_weight_gradient<float>(stream, size, operands);
  }
}

void launch_layer_norm_forward(cudaStream_t stream,
                               const NormSize& size,
                               const NormForward& operands) {
  const auto rows = static_cast<unsigned>(size.rows);
  if (size.type == DataType::bf16) {
    layer_forward<__nv_bfloat16><<<rows, block_threads, 0, stream>>>(operands, size.columns);
  } else {
    layer_forward<float><<<rows, block_threads, 0, stream>>>(operands, size.columns);
  }
}

void launch_layer_norm_backward(cudaStream_t stream,
                                const NormSize& size,
                                const NormBackward& operands) {
  const auto rows = static_cast<unsigned>(size.rows);
  if (size.type == DataType::bf16) {
    layer_backward<__nv_bfloat16><<<rows, block_threads, 0, stream>>>(operands, size.columns);
    layer_weight_gradients<__nv_bfloat16>(stream, size, operands);
  } else {
    layer_backward<float><<<rows, block_threads, 0, stream>>>(operands, size.columns);
    layer_weight_gradients<float>(stream, size, operands);
  }
}

}  // namespace forerun::cuda
