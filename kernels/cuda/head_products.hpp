// The products of attention that stores its scores, by cuBLASLt in batches.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <tuple>

#include <cublasLt.h>

#include "kernels/cuda/matmul_plan.hpp"
#include "kernels/cuda/product_plan.hpp"
#include "kernels/kernel_key.hpp"

namespace forerun::cuda {

class HeadProductRunner {
 public:
  /// The handle must outlive the runner.
  explicit HeadProductRunner(cublasLtHandle_t handle) : handle_(handle) {}

  /// Whether this key is a product of stored scores in a format that is multiplied here.
  [[nodiscard]] static bool takes(const KernelKey& key);

  /// Enqueues the key's products, and for scores_backward the copy of the values' gradient.
  /// Products that add to bf16 round after each query head of a group. `workspace` holds
  /// gemm_workspace_bytes.
  void run(cudaStream_t stream,
           const KernelKey& key,
           std::span<void* const> operands,
           void* workspace);

  /// cuBLASLt's id of the algorithm of the key's first product, where the operands have the
  /// alignment of cudaMalloc.
  [[nodiscard]] int algorithm_id(const KernelKey& key);

 private:
  using PlanKey = std::tuple<BatchShape, DataType, std::size_t>;

  void multiply(cudaStream_t stream,
                const ProductBatch& batch,
                DataType type,
                std::span<void* const> operands,
                void* workspace);
  [[nodiscard]] const MatmulPlan& plan_for(const PlanKey& key);

  cublasLtHandle_t handle_;
  std::map<PlanKey, MatmulPlan> plans_;
};

}  // namespace forerun::cuda
