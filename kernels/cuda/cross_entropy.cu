// Cross-entropy over rows of logits in three passes, one block a row.
#include "kernels/cuda/cross_entropy_launch.hpp"
#include "kernels/cuda/device_code.cuh"

namespace forerun::cuda {

namespace {

constexpr int row_threads = 512;

template <class T>
__global__ void row_maxima(LogitsSize size, const T* logits, float* row_max) {
  const T* row = logits + static_cast<std::int64_t>(blockIdx.x) * size.columns;
  float largest = Largest::neutral;
  for (std::int64_t i = threadIdx.x; i < size.valid; i += blockDim.x) {
    largest = fmaxf(largest, to_float(row[i]));
  }
  largest = reduce_block(largest, Largest{});
  if (threadIdx.x == 0) {
    row_max[blockIdx.x] = largest;
  }
}

template <class T>
__global__ void row_sums(LogitsSize size, CrossEntropySum operands) {
  const std::int64_t index = blockIdx.x;
  const T* row = static_cast<const T*>(operands.logits) + index * size.columns;
  const float largest = operands.row_max[index];
  float sum = 0.0F;
  for (std::int64_t i = threadIdx.x; i < size.valid; i += blockDim.x) {
    sum += __expf(to_float(row[i]) - largest);
  }
  sum = reduce_block(sum, Sum{});
  if (threadIdx.x == 0) {
    const std::int64_t target = operands.targets[index] - size.first;
    const bool is_here = target >= 0 && target < size.valid;
    operands.sums[index] = sum;
    operands.sums[size.rows + index] = is_here ? to_float(row[target]) - largest : 0.0F;
  }
}

template <class T>
__global__ void row_gradients(LogitsSize size, CrossEntropyGradient operands) {
  const std::int64_t index = blockIdx.x;
  T* row = static_cast<T*>(operands.logits) + index * size.columns;
  const float largest = operands.row_max[index];
  const float sum = operands.sums[index];
  const float factor = operands.scale / sum;
  const std::int64_t target = operands.targets[index] - size.first;
  for (std::int64_t i = threadIdx.x; i < size.columns; i += blockDim.x) {
    float gradient = 0.0F;
    if (i < size.valid) {
      gradient = __expf(to_float(row[i]) - largest) * factor;
      gradient -= i == target ? operands.scale : 0.0F;
    }
    row[i] = from_float<T>(gradient);
  }
  if (threadIdx.x == 0) {
    operands.loss[index] = logf(sum) - operands.sums[size.rows + index];
  }
}

}  // namespace

void launch_cross_entropy_max(cudaStream_t stream,
                              const LogitsSize& size,
                              const void* logits,
                              float* row_max) {
  const auto rows = static_cast<unsigned>(size.rows);
  if (size.type == DataType::bf16) {
    launch(stream,
           {rows, row_threads},
           row_maxima<__nv_bfloat16>,
           size,
           static_cast<const __nv_bfloat16*>(logits),
           row_max);
  } else {
    launch(stream,
           {rows, row_threads},
           row_maxima<float>,
           size,
           static_cast<const float*>(logits),
           row_max);
  }
}

void launch_cross_entropy_sum(cudaStream_t stream,
                              const LogitsSize& size,
                              const CrossEntropySum& operands) {
  const auto rows = static_cast<unsigned>(size.rows);
  if (size.type == DataType::bf16) {
    launch(stream, {rows, row_threads}, row_sums<__nv_bfloat16>, size, operands);
  } else {
    launch(stream, {rows, row_threads}, row_sums<float>, size, operands);
  }
}

void launch_cross_entropy_gradient(cudaStream_t stream,
                                   const LogitsSize& size,
                                   const CrossEntropyGradient& operands) {
  const auto rows = static_cast<unsigned>(size.rows);
  if (size.type == DataType::bf16) {
    launch(stream, {rows, row_threads}, row_gradients<__nv_bfloat16>, size, operands);
  } else {
    launch(stream, {rows, row_threads}, row_gradients<float>, size, operands);
  }
}

}  // namespace forerun::cuda
