// Starts any kernel key on one stream: from operands and scalars to the library or kernel that runs
// it.
#pragma once

#include <optional>
#include <span>
#include <string>

#include <cuda_runtime_api.h>

#include "kernels/cuda/attention.hpp"
#include "kernels/cuda/gemm.hpp"
#include "kernels/cuda/handles.hpp"
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

  [[nodiscard]] int gemm_algorithm_id(const KernelKey& key);

 private:
  struct Call {
    const KernelKey& key;
    std::span<void* const> operands;
    const KernelScalars& scalars;
  };

  void start(const GemmShape& shape, const Call& call);
  void start(const AttentionKeyShape& shape, const Call& call);
  void start_fp32(const AttentionKeyShape& shape, const Call& call);
  void start(const RowsShape& shape, const Call& call);
  void start_norm(const RowsShape& shape, const Call& call);
  void start_activation(const RowsShape& shape, const Call& call) const;
  void start_elementwise(const RowsShape& shape, const Call& call);
  void start_cross_entropy(const RowsShape& shape, const Call& call) const;
  void start(const HeadsShape& shape, const Call& call);
  void start(const TableShape& shape, const Call& call) const;
  void start(const FlatShape& shape, const Call& call) const;
  /// Shapes that `refuses` refuses.
  template <class Shape>
  static void start(const Shape& shape, const Call& call);

  [[nodiscard]] float* column_scratch(int sums, std::int64_t rows, std::int64_t columns);

  cudaStream_t stream_;
  GemmRunner gemm_;
  AttentionRunner attention_;
  Scratch scratch_;
};

}  // namespace forerun::cuda
