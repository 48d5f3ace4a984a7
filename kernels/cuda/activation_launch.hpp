// Starts the activation kernels: SwiGLU and the tanh form of GELU.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// `columns` counts outputs; SwiGLU's inputs are rows of [gate|up], twice as wide. bf16 or fp32.
struct ActivationSize {
  DataType type;
  std::int64_t rows;
  std::int64_t columns;
};

/// y = silu(gate) * up.
void launch_swiglu_forward(cudaStream_t stream, const ActivationSize& size, const void* u, void* y);
void launch_swiglu_backward(
    cudaStream_t stream, const ActivationSize& size, const void* u, const void* dy, void* du);

/// y = 0.5 u (1 + tanh(sqrt(2/pi) (u + 0.044715 u^3))) (Hendrycks and Gimpel, arXiv 1606.08415).
void launch_gelu_forward(cudaStream_t stream, const ActivationSize& size, const void* u, void* y);
void launch_gelu_backward(
    cudaStream_t stream, const ActivationSize& size, const void* u, const void* dy, void* du);

}  // namespace forerun::cuda
