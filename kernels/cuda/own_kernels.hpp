// Starts our own kernels: every key but matrix products, which are cuBLASLt's. Needs nothing but
// the CUDA runtime, so that tests can run it where the runtime is emulated.
#pragma once

#include <optional>
#include <span>
#include <string>

#include <cuda_runtime_api.h>

#include "kernels/cuda/scratch.hpp"
#include "kernels/kernel_key.hpp"
#include "kernels/operands.hpp"

namespace forerun::cuda {

class OwnKernels {
 public:
  /// Kernels go to `stream`; the GPU must be the current device of the thread.
  explicit OwnKernels(cudaStream_t stream);

  /// Why none of our kernels runs this key; empty when one does.
  [[nodiscard]] static std::optional<std::string> refuses(const KernelKey& key);

  /// Enqueues the kernels of a key that is not refused. Throws std::invalid_argument when the
  /// operation, its shape and its operands do not belong together, std::runtime_error when a call
  /// of the runtime fails.
  void launch(const KernelKey& key, std::span<void* const> operands, const KernelScalars& scalars);

 private:
  cudaStream_t stream_;
  Scratch scratch_;
};

}  // namespace forerun::cuda
