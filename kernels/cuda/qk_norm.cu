// RMSNorm of every query and key head of packed rows, forward and backward, one warp a head.
#include "kernels/cuda/column_sums.cuh"
#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/norm_launch.hpp"

namespace forerun::cuda {

namespace {

/// One warp's head: where it lies, and whether it is a value head that passes through.
struct Head {
  std::int64_t token;
  std::int64_t index;
  std::int64_t offset;  ///< of its first element in the packed rows
};

__device__ Head head_of_warp(const HeadNormSize& size, std::int64_t warp) {
  const std::int64_t per_token = size.heads + 2 * size.kv_heads;
  return {warp / per_token, warp % per_token, warp * size.head_size};
}

__device__ std::int64_t warp_index() {
  return first_item() / warp_size;
}

template <class T>
__global__ void head_forward(HeadNormSize size, HeadNormForward operands) {
  const std::int64_t normed = size.heads + size.kv_heads;
  if (warp_index() >= size.tokens * (normed + size.kv_heads)) {
    return;
  }
  const Head head = head_of_warp(size, warp_index());
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const T* x = static_cast<const T*>(operands.qkv) + head.offset;
  T* y = static_cast<T*>(operands.qkv_out) + head.offset;
  if (head.index >= normed) {
    for (std::int64_t i = lane; i < size.head_size; i += warp_size) {
      y[i] = x[i];
    }
    return;
  }
  const T* weight =
      static_cast<const T*>(head.index < size.heads ? operands.q_weight : operands.k_weight);
  float squares = 0.0F;
  for (std::int64_t i = lane; i < size.head_size; i += warp_size) {
    const float value = to_float(x[i]);
    squares += value * value;
  }
  squares = reduce_warp(squares, Sum{});
  const float rstd = rsqrtf(squares / static_cast<float>(size.head_size) + operands.epsilon);
  if (lane == 0) {
    operands.rstd[head.token * normed + head.index] = rstd;
  }
  for (std::int64_t i = lane; i < size.head_size; i += warp_size) {
    y[i] = from_float<T>(to_float(x[i]) * rstd * to_float(weight[i]));
  }
}

template <class T>
__global__ void head_backward(HeadNormSize size, HeadNormBackward operands) {
  const std::int64_t normed = size.heads + size.kv_heads;
  if (warp_index() >= size.tokens * (normed + size.kv_heads)) {
    return;
  }
  const Head head = head_of_warp(size, warp_index());
  if (head.index >= normed) {
    return;
  }
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const T* x = static_cast<const T*>(operands.qkv) + head.offset;
  T* gradient = static_cast<T*>(operands.d_qkv) + head.offset;
  const T* weight =
      static_cast<const T*>(head.index < size.heads ? operands.q_weight : operands.k_weight);
  const float rstd = operands.rstd[head.token * normed + head.index];
  float products = 0.0F;
  for (std::int64_t i = lane; i < size.head_size; i += warp_size) {
    products += to_float(gradient[i]) * to_float(weight[i]) * to_float(x[i]) * rstd;
  }
  const float mean_product = reduce_warp(products, Sum{}) / static_cast<float>(size.head_size);
  for (std::int64_t i = lane; i < size.head_size; i += warp_size) {
    const float g = to_float(gradient[i]) * to_float(weight[i]);
    gradient[i] = from_float<T>(rstd * (g - to_float(x[i]) * rstd * mean_product));
  }
}

/// Rows are (token, head) pairs of the query or of the key heads; reads the gradient of the output.
template <class T>
struct HeadWeightTerm {
  const T* qkv;
  const T* d_qkv;
  const float* rstd;
  std::int64_t first_head;
  std::int64_t own_heads;
  std::int64_t normed;
  std::int64_t width;
  std::int64_t head_size;

  __device__ void operator()(std::int64_t row, std::int64_t column, float (&sums)[1]) const {
    const std::int64_t token = row / own_heads;
    const std::int64_t head = first_head + row % own_heads;
    const std::int64_t at = token * width + head * head_size + column;
    sums[0] += to_float(d_qkv[at]) * to_float(qkv[at]) * rstd[token * normed + head];
  }
};

template <class T>
void weight_gradients(cudaStream_t stream,
                      const HeadNormSize& size,
                      const HeadNormBackward& operands) {
  HeadWeightTerm<T> term{static_cast<const T*>(operands.qkv),
                         static_cast<const T*>(operands.d_qkv),
                         operands.rstd,
                         0,
                         size.heads,
                         size.heads + size.kv_heads,
                         (size.heads + 2 * size.kv_heads) * size.head_size,
                         size.head_size};
  add_column_sums<1>(stream,
                     term,
                     {size.tokens * size.heads, size.head_size},
                     operands.scratch,
                     Targets<1>{{operands.dq_weight}});
  term.first_head = size.heads;
  term.own_heads = size.kv_heads;
  add_column_sums<1>(stream,
                     term,
                     {size.tokens * size.kv_heads, size.head_size},
                     operands.scratch,
                     Targets<1>{{operands.dk_weight}});
}

unsigned head_blocks(const HeadNormSize& size) {
  const std::int64_t threads = size.tokens * (size.heads + 2 * size.kv_heads) * warp_size;
  return static_cast<unsigned>(ceil_div<std::int64_t>(threads, block_threads));
}

}  // namespace

void launch_qk_norm_forward(cudaStream_t stream,
                            const HeadNormSize& size,
                            const HeadNormForward& operands) {
  if (size.type == DataType::bf16) {
    launch(stream, {head_blocks(size), block_threads}, head_forward<__nv_bfloat16>, size, operands);
  } else {
    launch(stream, {head_blocks(size), block_threads}, head_forward<float>, size, operands);
  }
}

void launch_qk_norm_backward(cudaStream_t stream,
                             const HeadNormSize& size,
                             const HeadNormBackward& operands) {
  // The weights' gradients read the output's gradient, which the second kernel overwrites.
  if (size.type == DataType::bf16) {
    weight_gradients<__nv_bfloat16>(stream, size, operands);
    launch(
        stream, {head_blocks(size), block_threads}, head_backward<__nv_bfloat16>, size, operands);
  } else {
    weight_gradients<float>(stream, size, operands);
    launch(stream, {head_blocks(size), block_threads}, head_backward<float>, size, operands);
  }
}

}  // namespace forerun::cuda
