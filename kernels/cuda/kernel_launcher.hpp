// Starts any kernel key on one stream: by cuBLASLt, by cuDNN or by our own kernels.
#pragma once

#include <optional>
#include <span>
#include <string>

#include <cuda_runtime_api.h>

#include "kernels/cuda/attention.hpp"
#include "kernels/cuda/gemm.hpp"
#include "kernels/cuda/head_products.hpp"
#include "kernels/cuda/own_kernels.hpp"
#include "kernels/cuda/scratch.hpp"
#include "kernels/kernel_key.hpp"
#include "kernels/operands.hpp"

namespace forerun::cuda {

class KernelLauncher {
 public:
  /// The GPU `ordinal` must be the current device of the thread.
  KernelLauncher(int ordinal, cudaStream_t stream);

  /// Why this key cannot run; empty when it can.
  [[nodiscard]] std::optional<std::string> refuses(const KernelKey& key) const;

  /// Enqueues the kernel. Throws std::invalid_argument when the operation, its shape and its
  /// operands do not belong together, std::runtime_error when a library call fails.
  void launch(const KernelKey& key, std::span<void* const> operands, const KernelScalars& scalars);

  /// Whose kernel runs a key that is not refused, and which: "cuBLASLt algorithm 66", "cuDNN
  /// engine 4", "own". cuDNN's engine is known once a plan was compiled, which takes seconds.
  [[nodiscard]] std::string algorithm_of(const KernelKey& key);

 private:
  /// bf16 attention that cuDNN's fused engines take; all other attention runs on our own kernels.
  [[nodiscard]] bool runs_on_cudnn(const KernelKey& key) const;

  cudaStream_t stream_;
  GemmRunner gemm_;
  HeadProductRunner head_products_;
  AttentionRunner attention_;
  OwnKernels own_;
  Scratch scratch_;  ///< of the libraries
};

}  // namespace forerun::cuda
