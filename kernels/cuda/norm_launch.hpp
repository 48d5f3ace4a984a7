// Starts the normalisation kernels: RMSNorm, LayerNorm and the RMSNorm of query and key heads.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// rows x columns, row-major; every launch takes bf16 or fp32 as `type`.
struct NormSize {
  DataType type;
  std::int64_t rows;
  std::int64_t columns;
};

/// `bias` is null for RMSNorm. `stats`: the rstds of RMSNorm; the means, then the rstds, of
/// LayerNorm.
struct NormForward {
  const void* x;
  const void* weight;
  const void* bias;
  void* y;
  float* stats;
  float epsilon;
};

/// d_weight and d_bias accumulate; `d_bias` is null for RMSNorm. `scratch` holds
/// column_sum_scratch_bytes of one sum (RMSNorm) or two.
struct NormBackward {
  const void* x;
  const void* weight;
  const float* stats;
  const void* dy;
  void* dx;
  float* d_weight;
  float* d_bias;
  float* scratch;
};

void launch_rms_norm_forward(cudaStream_t stream,
                             const NormSize& size,
                             const NormForward& operands);
void launch_rms_norm_backward(cudaStream_t stream,
                              const NormSize& size,
                              const NormBackward& operands);
void launch_layer_norm_forward(cudaStream_t stream,
                               const NormSize& size,
                               const NormForward& operands);
void launch_layer_norm_backward(cudaStream_t stream,
                                const NormSize& size,
                                const NormBackward& operands);

/// Packed rows [q heads|k heads|v heads]; the v heads pass through unchanged.
struct HeadNormSize {
  DataType type;
  std::int64_t tokens;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_size;
};

/// `rstd`: one per token and q or k head.
struct HeadNormForward {
  const void* qkv;
  const void* q_weight;
  const void* k_weight;
  void* qkv_out;
  float* rstd;
  float epsilon;
};

/// `d_qkv` holds the gradient of the output and receives that of the input. `scratch` holds
/// column_sum_scratch_bytes of one sum over tokens * heads rows of head_size.
struct HeadNormBackward {
  const void* qkv;
  const void* q_weight;
  const void* k_weight;
  const float* rstd;
  void* d_qkv;
  float* dq_weight;
  float* dk_weight;
  float* scratch;
};

void launch_qk_norm_forward(cudaStream_t stream,
                            const HeadNormSize& size,
                            const HeadNormForward& operands);
void launch_qk_norm_backward(cudaStream_t stream,
                             const HeadNormSize& size,
                             const HeadNormBackward& operands);

}  // namespace forerun::cuda
