// RMSNorm and LayerNorm over rows, forward and backward, one block a row.
#include "kernels/cuda/column_sums.cuh"
#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/norm_launch.hpp"

namespace forerun::cuda {

namespace {

/// The block's row of the normed matrix: x, or the sum that it stores first. Each thread reads only
/// the elements that it stored itself.
template <class T>
const __device__ T* normed_row(const NormForward& operands, std::int64_t columns) {
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * columns;
  const T* x = static_cast<const T*>(operands.x) + first;
  if (operands.residual == nullptr) {
    return x;
  }
  const T* residual = static_cast<const T*>(operands.residual) + first;
  T* sum = static_cast<T*>(operands.sum) + first;
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    sum[i] = from_float<T>(to_float(x[i]) + to_float(residual[i]));
  }
  return sum;
}

/// What reaches element `i` of the block's row beside the norm's own gradient.
template <class T>
__device__ float other_gradient(const NormBackward& operands,
                                std::int64_t columns,
                                std::int64_t i) {
  const T* d_sum = static_cast<const T*>(operands.d_sum);
  return d_sum == nullptr ? 0.0F
                          : to_float(d_sum[static_cast<std::int64_t>(blockIdx.x) * columns + i]);
}

template <class T>
__global__ void rms_forward(NormForward operands, std::int64_t columns) {
  const std::int64_t row = blockIdx.x;
  const T* x = normed_row<T>(operands, columns);
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
    dx[i] = from_float<T>(rstd * (g - to_float(x[i]) * rstd * mean_product) +
                          other_gradient<T>(operands, columns, i));
  }
}

template <class T>
__global__ void layer_forward(NormForward operands, std::int64_t columns) {
  const std::int64_t row = blockIdx.x;
  const std::int64_t rows = gridDim.x;
  const T* x = normed_row<T>(operands, columns);
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
    y[i] =
        from_float<T>(normal * to_float(weight[i]) + (bias == nullptr ? 0.0F : to_float(bias[i])));
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
    dx[i] = from_float<T>(rstd * (g - mean_g - normal * mean_product) +
                          other_gradient<T>(operands, columns, i));
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

template <class T>
void start_forward(cudaStream_t stream,
                   Norm norm,
                   const NormSize& size,
                   const NormForward& operands) {
  const LaunchShape shape{static_cast<unsigned>(size.rows), block_threads};
  launch(
      stream, shape, norm == Norm::rms ? rms_forward<T> : layer_forward<T>, operands, size.columns);
}

template <class T>
void start_backward(cudaStream_t stream,
                    Norm norm,
                    const NormSize& size,
                    const NormBackward& operands) {
  const LaunchShape shape{static_cast<unsigned>(size.rows), block_threads};
  if (norm == Norm::rms) {
    launch(stream, shape, rms_backward<T>, operands, size.columns);
    rms_weight_gradient<T>(stream, size, operands);
  } else {
    launch(stream, shape, layer_backward<T>, operands, size.columns);
    layer_weight_gradients<T>(stream, size, operands);
  }
}

}  // namespace

std::size_t column_sum_scratch_bytes(int sums, std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(row_chunks(rows, columns) * sums * columns) * sizeof(float);
}

void launch_norm_forward(cudaStream_t stream,
                         Norm norm,
                         const NormSize& size,
                         const NormForward& operands) {
  if (size.type == DataType::bf16) {
    start_forward<__nv_bfloat16>(stream, norm, size, operands);
  } else {
    start_forward<float>(stream, norm, size, operands);
  }
}

void launch_norm_backward(cudaStream_t stream,
                          Norm norm,
                          const NormSize& size,
                          const NormBackward& operands) {
  if (size.type == DataType::bf16) {
    start_backward<__nv_bfloat16>(stream, norm, size, operands);
  } else {
    start_backward<float>(stream, norm, size, operands);
  }
}

}  // namespace forerun::cuda
