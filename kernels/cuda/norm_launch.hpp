// Starts the normalisation kernels: RMSNorm, LayerNorm and the RMSNorm of query and key heads.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

enum class Norm { rms, layer };

/// rows x columns, row-major; every launch takes bf16 or fp32 as `type`.
struct NormSize {
  DataType type;
  std::int64_t rows;
  std::int64_t columns;
};

/// `bias` is null for RMSNorm and for LayerNorm without one. `stats`: the rstds of RMSNorm; the
/// means, then the rstds, of LayerNorm. Where `residual` is not null, the norm is that of x +
/// residual, which goes to `sum`.
struct NormForward {
  const void* x;
  const void* residual;
  void* sum;
  const void* weight;
  const void* bias;
  void* y;
  float* stats;
  float epsilon;
};

/// d_weight and d_bias accumulate; `d_bias` is null where there is no bias. `scratch` holds
/// column_sum_scratch_bytes of one sum (RMSNorm) or two (LayerNorm). Where `d_sum` is not null, dx
/// is the sum of it and of the norm's gradient.
struct NormBackward {
  const void* x;
  const void* weight;
  const float* stats;
  const void* dy;
  const void* d_sum;
  void* dx;
  float* d_weight;
  float* d_bias;
  float* scratch;
};

void launch_norm_forward(cudaStream_t stream,
                         Norm norm,
                         const NormSize& size,
                         const NormForward& operands);
void launch_norm_backward(cudaStream_t stream,
                          Norm norm,
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
