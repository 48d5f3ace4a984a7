// Causal depthwise convolution, bias and SiLU: one thread an element, neighbours are channels.
#include "kernels/cuda/column_sums.cuh"
#include "kernels/cuda/conv1d_launch.hpp"
#include "kernels/cuda/device_code.cuh"

namespace forerun::cuda {

namespace {

/// bias + sum over taps of weight[tap] * x[row - (width - 1 - tap) * batch], from row 0 on.
template <class T>
__device__ float convolve(
    const ConvSize& size, const T* x, const T* weight, std::int64_t row, std::int64_t channel) {
  float sum = 0.0F;
  for (std::int64_t back = 0; back < size.width; ++back) {
    const std::int64_t source = row - back * size.batch;
    if (source >= 0) {
      sum += to_float(weight[channel * size.width + size.width - 1 - back]) *
             to_float(x[source * size.channels + channel]);
    }
  }
  return sum;
}

template <class T>
__global__ void forward(ConvSize size, ConvForward operands) {
  const std::int64_t items = size.batch * size.length * size.channels;
  const T* bias = static_cast<const T*>(operands.bias);
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    const std::int64_t row = i / size.channels;
    const std::int64_t channel = i % size.channels;
    const float sum = to_float(bias[channel]) + convolve(size,
                                                         static_cast<const T*>(operands.x),
                                                         static_cast<const T*>(operands.weight),
                                                         row,
                                                         channel);
    static_cast<T*>(operands.y)[i] = from_float<T>(sum * sigmoid(sum));
  }
}

/// inner = dy * silu'(convolution + bias).
template <class T>
__global__ void inner_gradients(ConvSize size, ConvBackward operands, float* inner) {
  const std::int64_t items = size.batch * size.length * size.channels;
  const T* bias = static_cast<const T*>(operands.bias);
  const T* dy = static_cast<const T*>(operands.dy);
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    const std::int64_t row = i / size.channels;
    const std::int64_t channel = i % size.channels;
    const float sum = to_float(bias[channel]) + convolve(size,
                                                         static_cast<const T*>(operands.x),
                                                         static_cast<const T*>(operands.weight),
                                                         row,
                                                         channel);
    const float gate = sigmoid(sum);
    inner[i] = to_float(dy[i]) * gate * (1.0F + sum * (1.0F - gate));
  }
}

/// dx[row] = sum over taps of weight[tap] * inner[row + (width - 1 - tap) * batch].
template <class T>
__global__ void input_gradients(ConvSize size, ConvBackward operands, const float* inner) {
  const std::int64_t rows = size.batch * size.length;
  const T* weight = static_cast<const T*>(operands.weight);
  for (std::int64_t i = first_item(); i < rows * size.channels; i += item_stride()) {
    const std::int64_t row = i / size.channels;
    const std::int64_t channel = i % size.channels;
    float sum = 0.0F;
    for (std::int64_t ahead = 0; ahead < size.width; ++ahead) {
      const std::int64_t source = row + ahead * size.batch;
      if (source < rows) {
        sum += to_float(weight[channel * size.width + size.width - 1 - ahead]) *
               inner[source * size.channels + channel];
      }
    }
    static_cast<T*>(operands.dx)[i] = from_float<T>(sum);
  }
}

/// Column channel * width + tap of the gradient of the weights.
template <class T>
struct WeightTerm {
  const T* x;
  const float* inner;
  ConvSize size;

  __device__ void operator()(std::int64_t row, std::int64_t column, float (&sums)[1]) const {
    const std::int64_t channel = column / size.width;
    const std::int64_t source = row - (size.width - 1 - column % size.width) * size.batch;
    if (source >= 0) {
      sums[0] +=
          inner[row * size.channels + channel] * to_float(x[source * size.channels + channel]);
    }
  }
};

struct BiasTerm {
  const float* inner;
  std::int64_t channels;

  __device__ void operator()(std::int64_t row, std::int64_t column, float (&sums)[1]) const {
    sums[0] += inner[row * channels + column];
  }
};

std::size_t inner_elements(const ConvSize& size) {
  return static_cast<std::size_t>(size.batch * size.length * size.channels);
}

template <class T>
void start_backward(cudaStream_t stream, const ConvSize& size, const ConvBackward& operands) {
  float* inner = operands.scratch;
  float* partial = inner + inner_elements(size);
  const std::int64_t rows = size.batch * size.length;
  const LaunchShape shape{blocks_for(rows * size.channels), block_threads};
  launch(stream, shape, inner_gradients<T>, size, operands, inner);
  launch(stream, shape, input_gradients<T>, size, operands, inner);
  add_column_sums<1>(stream,
                     WeightTerm<T>{static_cast<const T*>(operands.x), inner, size},
                     {rows, size.channels * size.width},
                     partial,
                     Targets<1>{{operands.d_weight}});
  add_column_sums<1>(stream,
                     BiasTerm{inner, size.channels},
                     {rows, size.channels},
                     partial,
                     Targets<1>{{operands.d_bias}});
}

}  // namespace

std::size_t conv1d_scratch_bytes(const ConvSize& size) {
  const std::int64_t rows = size.batch * size.length;
  return inner_elements(size) * sizeof(float) +
         column_sum_scratch_bytes(1, rows, size.channels * size.width) +
         column_sum_scratch_bytes(1, rows, size.channels);
}

void launch_conv1d_forward(cudaStream_t stream, const ConvSize& size, const ConvForward& operands) {
  const LaunchShape shape{blocks_for(size.batch * size.length * size.channels), block_threads};
  if (size.type == DataType::bf16) {
    launch(stream, shape, forward<__nv_bfloat16>, size, operands);
  } else {
    launch(stream, shape, forward<float>, size, operands);
  }
}

void launch_conv1d_backward(cudaStream_t stream,
                            const ConvSize& size,
                            const ConvBackward& operands) {
  if (size.type == DataType::bf16) {
    start_backward<__nv_bfloat16>(stream, size, operands);
  } else {
    start_backward<float>(stream, size, operands);
  }
}

}  // namespace forerun::cuda
