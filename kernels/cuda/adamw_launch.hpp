// Starts the optimizer step.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

namespace forerun::cuda {

/// `master` is updated in place; `weight`, when not null, receives it in bf16.
struct AdamWArrays {
  const float* gradient;
  float* master;
  float* m;
  float* v;
  void* weight;
  std::int64_t elements;
};

/// The corrections are 1 / (1 - beta^step).
struct AdamWFactors {
  float learning_rate;
  float beta1;
  float beta2;
  float epsilon;
  float weight_decay;
  float rest1;  ///< 1 - beta1, rounded once
  float rest2;
  float m_correction;
  float v_correction;
};

/// Decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2).
void launch_adamw(cudaStream_t stream, const AdamWArrays& arrays, const AdamWFactors& factors);

}  // namespace forerun::cuda
