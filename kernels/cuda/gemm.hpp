// Matrix products by cuBLASLt: one heuristic query a shape, then the same algorithm every time.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <utility>

#include <cublasLt.h>

#include "kernels/cuda/handles.hpp"
#include "kernels/kernel_key.hpp"

namespace forerun::cuda {

/// Workspace that algorithms may ask for: what cuBLAS itself takes on Hopper.
inline constexpr std::size_t gemm_workspace_bytes = std::size_t{32} << 20U;

class GemmRunner {
 public:
  GemmRunner();

  /// Enqueues C = op(A) op(B), or C += op(A) op(B) in fp32. `operands` are A, B, C; `workspace`
  /// holds gemm_workspace_bytes. bf16 multiplies in bf16 and sums in fp32, fp32 is fp32 throughout
  /// (no TF32).
  void run(cudaStream_t stream,
           const KernelKey& key,
           std::span<void* const> operands,
           void* workspace);

  /// cuBLASLt's id of the algorithm that runs this key on operands of this alignment.
  [[nodiscard]] int algorithm_id(const KernelKey& key, std::size_t alignment_bytes);

 private:
  /// The key, and the alignment in bytes that its operands share.
  using PlanKey = std::pair<KernelKey, std::size_t>;

  struct Plan {
    MatmulDescription description;
    MatrixLayout first;   ///< B: row-major C = A B is column-major C^T = B^T A^T
    MatrixLayout second;  ///< A
    MatrixLayout result;
    cublasLtMatmulAlgo_t algorithm{};
  };

  [[nodiscard]] const Plan& plan_for(const PlanKey& key);
  [[nodiscard]] Plan make_plan(const PlanKey& key) const;

  BlasHandle handle_;
  std::map<PlanKey, Plan> plans_;
};

}  // namespace forerun::cuda
