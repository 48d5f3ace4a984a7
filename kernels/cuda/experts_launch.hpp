// Starts the kernels around the experts: choice, sort by expert, permutation and its inverse.
#pragma once

#include <cstddef>
#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// The most experts whose logits a warp's registers hold.
inline constexpr std::int64_t most_experts = 1024;

/// Every launch takes bf16 or fp32 as `type`; sizes as in RouterShape.
struct RouterSize {
  DataType type;
  std::int64_t tokens;
  std::int64_t experts;
  std::int64_t top_k;
};

void launch_router_forward(cudaStream_t stream,
                           const RouterSize& size,
                           const void* logits,
                           float* weights,
                           std::int32_t* chosen);

struct RouterBackward {
  const std::int32_t* chosen;
  const float* weights;
  const float* d_weights;
  void* d_logits;
};

void launch_router_backward(cudaStream_t stream,
                            const RouterSize& size,
                            const RouterBackward& operands);

/// Scratch of the sort: a count for each block of choices and expert.
[[nodiscard]] std::size_t expert_sort_scratch_bytes(const RouterSize& size);

/// Stable. `counts` is the scratch.
void launch_expert_sort(cudaStream_t stream,
                        const RouterSize& size,
                        const std::int32_t* chosen,
                        std::int32_t* ends,
                        std::int32_t* row_of,
                        std::int32_t* counts);

/// Sizes as in PermuteShape.
struct PermuteSize {
  DataType type;
  std::int64_t tokens;
  std::int64_t top_k;
  std::int64_t columns;
};

void launch_permute_forward(cudaStream_t stream,
                            const PermuteSize& size,
                            const void* x,
                            const std::int32_t* row_of,
                            void* y);
/// The weighted sum of a token's copies; `weights` null: their plain sum (permute_backward).
void launch_unpermute_forward(cudaStream_t stream,
                              const PermuteSize& size,
                              const void* y,
                              const std::int32_t* row_of,
                              const float* weights,
                              void* out);

struct UnpermuteBackward {
  const void* y;
  const std::int32_t* row_of;
  const float* weights;
  const void* d_out;
  void* dy;
  float* d_weights;
};

void launch_unpermute_backward(cudaStream_t stream,
                               const PermuteSize& size,
                               const UnpermuteBackward& operands);

}  // namespace forerun::cuda
