// Kernels of generation: few rows, so that memory is all that counts.
#pragma once

#include "kernels/host/kernel_call.hpp"

namespace forerun::host {

/// Online softmax over the cache, heads of one key head together, so that it is read once; also of
/// latent_decode_attention, whose values are the fronts of its keys.
void decode_attention(const KernelCall& call);

/// Rows up to which `gemv` beats oneDNN's products. One row of 4096 x 4096 on two Zen 5 cores: 51
/// against 47 GB/s in fp32, 46 against 43 in bf16; from two rows on oneDNN was faster.
inline constexpr std::int64_t most_gemv_rows = 1;

/// C[m x n] = A[m x k] B[n x k]^T for a few rows m: B is read once, in order.
void gemv(const KernelCall& call);

}  // namespace forerun::host
