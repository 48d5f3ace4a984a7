// Starts the activation kernels.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// swiglu: silu(gate) * up; geglu: gelu(gate) * up; gelu: 0.5 u (1 + tanh(sqrt(2/pi) (u + 0.044715
/// u^3))) (Hendrycks and Gimpel, arXiv 1606.08415); relu: max(u, 0);
/// relu_squared: its square; softcap: cap tanh(u / cap).
enum class Activation { swiglu, geglu, gelu, relu, relu_squared, softcap };

/// `columns` counts outputs; inputs of swiglu and geglu are rows of [gate|up], twice as wide. bf16
/// or fp32.
struct ActivationSize {
  DataType type = DataType::bf16;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  float cap = 1.0F;  ///< of softcap
};

/// `result` is y, or du where `dy` is not null. `bias`, null for none and not for gated ones, is
/// added to every row of u first.
struct ActivationOperands {
  const void* u;
  const void* bias;
  const void* dy;
  void* result;
};

void launch_activation(cudaStream_t stream,
                       Activation activation,
                       const ActivationSize& size,
                       const ActivationOperands& operands);

}  // namespace forerun::cuda
