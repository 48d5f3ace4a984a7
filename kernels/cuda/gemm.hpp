// Matrix products by cuBLASLt: one heuristic query a shape, then the same algorithm every time.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <cublasLt.h>

#include "kernels/cuda/handles.hpp"
#include "kernels/cuda/matmul_plan.hpp"
#include "kernels/kernel_key.hpp"

namespace forerun::cuda {

/// Why cuBLASLt does not multiply in the key's format on a GPU of this compute capability (90 for
/// 9.0); empty when it does.
[[nodiscard]] std::optional<std::string> gemm_refusal(const KernelKey& key, int compute_capability);

class GemmRunner {
 public:
  /// `ordinal` is the GPU's.
  explicit GemmRunner(int ordinal);

  [[nodiscard]] std::optional<std::string> refuses(const KernelKey& key) const;

  /// Enqueues C = op(A) op(B), or C += op(A) op(B) in fp32, as kernels/operands.hpp says;
  /// `workspace` holds gemm_workspace_bytes. bf16 multiplies in bf16 and sums in fp32, fp32 is fp32
  /// throughout (no TF32), FP8 multiplies in FP8 and applies both scales.
  void run(cudaStream_t stream,
           const KernelKey& key,
           std::span<void* const> operands,
           void* workspace);

  /// cuBLASLt's id of the algorithm that runs this key on operands of this alignment.
  [[nodiscard]] int algorithm_id(const KernelKey& key, std::size_t alignment_bytes);

  [[nodiscard]] cublasLtHandle_t handle() const { return handle_.raw(); }

 private:
  /// The key, and the alignment in bytes that its operands share.
  using PlanKey = std::pair<KernelKey, std::size_t>;

  [[nodiscard]] const MatmulPlan& plan_for(const PlanKey& key);
  [[nodiscard]] MatmulPlan make_plan(const PlanKey& key) const;

  BlasHandle handle_;
  int compute_capability_ = 0;
  std::map<PlanKey, MatmulPlan> plans_;
};

}  // namespace forerun::cuda
