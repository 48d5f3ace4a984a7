// Starts our own attention kernels: all of fp32, and the bf16 shapes that cuDNN does not take.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// The largest head that the kernels' registers hold.
inline constexpr std::int64_t largest_own_head_size = 256;

/// The mask of kernels/kernel_shape.hpp as two bounds: query i of a sequence sees the keys
/// [i - reach_back, i + reach_ahead], within [0, keys).
struct AttentionSize {
  std::int64_t batch;
  std::int64_t length;  ///< queries of one sequence
  std::int64_t keys;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_size;
  std::int64_t value_size;
  std::int64_t reach_back;
  std::int64_t reach_ahead;
};

/// Rows position * batch + sequence of `width` elements, in which the heads lie one after the
/// other.
template <class T>
struct AttentionRows {
  T* memory;
  std::int64_t width;
};

/// `lse`: the log-sum-exp of each score row, [batch][heads][length].
template <class T>
struct AttentionForward {
  AttentionRows<const T> q;
  AttentionRows<const T> k;
  AttentionRows<const T> v;
  AttentionRows<T> out;
  float* lse;
};

/// `delta` is scratch of batch * heads * length floats.
template <class T>
struct AttentionBackward {
  AttentionRows<const T> q;
  AttentionRows<const T> k;
  AttentionRows<const T> v;
  AttentionRows<const T> out;
  const float* lse;
  AttentionRows<const T> d_out;
  AttentionRows<T> d_q;
  AttentionRows<T> d_k;
  AttentionRows<T> d_v;
  float* delta;
};

/// Raise the shared-memory limit of the kernels; once a device, before the first launch.
[[nodiscard]] cudaError_t prepare_attention();

/// T is float or __nv_bfloat16; products and sums are fp32.
template <class T>
void launch_attention_forward(cudaStream_t stream,
                              const AttentionSize& size,
                              const AttentionForward<T>& operands);
/// Every gradient is summed in a fixed order.
template <class T>
void launch_attention_backward(cudaStream_t stream,
                               const AttentionSize& size,
                               const AttentionBackward<T>& operands);

}  // namespace forerun::cuda
