// Kernels of a mixture of experts, on the operands that kernels/operands.hpp lists.
#pragma once

#include <array>

#include "kernels/host/aligned_memory.hpp"
#include "kernels/host/host_gemm.hpp"
#include "kernels/host/kernel_call.hpp"

namespace forerun::host {

void router_forward(const KernelCall& call);
void router_backward(const KernelCall& call);
void expert_sort(const KernelCall& call);
void permute_forward(const KernelCall& call);
void permute_backward(const KernelCall& call);
void unpermute_forward(const KernelCall& call);
void unpermute_backward(const KernelCall& call);

/// The experts' products, group after group, each by `gemm` on all threads. bf16 rows are cut at a
/// multiple of 32, and the rest is padded to 32: oneDNN prepares a product for every row count that
/// it has not seen (1-2 ms), and row counts of real batches never repeat.
class GroupedGemm {
 public:
  explicit GroupedGemm(HostGemm& gemm) : gemm_(gemm) {}

  void run(const KernelCall& call);

 private:
  struct Rows {
    std::int64_t group = 0;
    std::int64_t first = 0;
    std::int64_t count = 0;
  };

  void run_rows(const KernelCall& call, const Rows& rows);
  void weight_gradient(const KernelCall& call, const Rows& rows);
  void multiply(const KernelCall& call, const GemmShape& shape, std::array<void*, 3> operands);

  HostGemm& gemm_;
  FloatScratch tail_a_;
  FloatScratch tail_b_;
  FloatScratch tail_c_;
  FloatScratch sums_;
};

}  // namespace forerun::host
