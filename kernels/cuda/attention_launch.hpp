// Starts our own fp32 attention kernels; bf16 goes through cuDNN.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

namespace forerun::cuda {

/// The largest head that the kernels' registers hold.
inline constexpr std::int64_t largest_fp32_head_size = 256;

enum class CausalMask { no, yes };

/// Packed fp32 rows [q heads|k heads|v heads]; row = position * batch + sequence.
struct AttentionSize {
  std::int64_t batch;
  std::int64_t length;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_size;
  CausalMask mask;
};

/// `lse`: the log-sum-exp of each score row, [batch][heads][length].
struct AttentionForward {
  const float* qkv;
  float* out;
  float* lse;
};

/// `delta` is scratch of batch * heads * length floats.
struct AttentionBackward {
  const float* qkv;
  const float* out;
  const float* lse;
  const float* d_out;
  float* d_qkv;
  float* delta;
};

/// Raise the shared-memory limit of the kernels; once a device, before the first launch.
[[nodiscard]] cudaError_t prepare_attention();

void launch_attention_forward(cudaStream_t stream,
                              const AttentionSize& size,
                              const AttentionForward& operands);
/// Every gradient is summed in a fixed order.
void launch_attention_backward(cudaStream_t stream,
                               const AttentionSize& size,
                               const AttentionBackward& operands);

}  // namespace forerun::cuda
