// Row-major matrix products as cuBLASLt's column-major ones, and the choice of algorithm.
#include "kernels/cuda/gemm.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <variant>

#include <fmt/format.h>

#include "kernels/cuda/library_check.hpp"
#include "kernels/cuda/scratch.hpp"

namespace forerun::cuda {

namespace {

cudaDataType_t result_type(const KernelKey& key, const GemmShape& shape) {
  if (shape.output == GemmOutput::accumulate_fp32) {
    return CUDA_R_32F;
  }
  return is_fp8(key.type) ? CUDA_R_16BF : blas_type(key.type);
}

/// Operands of a product by position; the scales are null but for FP8.
struct Factors {
  explicit Factors(const KernelKey& key, std::span<void* const> operands)
      : a(operands[0]), b(operands[1]), c(operands[operands.size() - 1]) {
    if (is_fp8(key.type)) {
      scale_a = operands[2];
      scale_b = operands[3];
    }
  }

  void* a;
  void* b;
  void* c;
  void* scale_a = nullptr;
  void* scale_b = nullptr;
};

/// Forward products of FP8 keep sums in the matrix cores' own accumulators for longer (fast
/// accumulation); gradients do not: as Transformer Engine's recipes have it.
bool sums_fast(const KernelKey& key, const GemmShape& shape) {
  return key.type == DataType::fp8_e4m3 && shape.output == GemmOutput::store;
}

MatmulDescription describe(const KernelKey& key, const GemmShape& shape) {
  MatmulDescription description = make_description(shape.layout);
  if (is_fp8(key.type)) {
    const std::int8_t fast = sums_fast(key, shape) ? 1 : 0;
    FORERUN_CUDA_CHECK(cublasLtMatmulDescSetAttribute(
        description.raw(), CUBLASLT_MATMUL_DESC_FAST_ACCUM, &fast, sizeof(fast)));
  }
  return description;
}

/// The scales of row-major A and B: cuBLASLt's first factor is our B.
void set_scales(const MatmulDescription& description, const Factors& factors) {
  FORERUN_CUDA_CHECK(cublasLtMatmulDescSetAttribute(description.raw(),
                                                    CUBLASLT_MATMUL_DESC_A_SCALE_POINTER,
                                                    &factors.scale_b,
                                                    sizeof(factors.scale_b)));
  FORERUN_CUDA_CHECK(cublasLtMatmulDescSetAttribute(description.raw(),
                                                    CUBLASLT_MATMUL_DESC_B_SCALE_POINTER,
                                                    &factors.scale_a,
                                                    sizeof(factors.scale_a)));
}

}  // namespace

std::optional<std::string> gemm_refusal(const KernelKey& key, int compute_capability) {
  const auto& shape = std::get<GemmShape>(key.shape);
  if (key.type == DataType::bf16 || key.type == DataType::fp32) {
    return std::nullopt;
  }
  if (!is_fp8(key.type)) {
    return fmt::format("the CUDA products take bf16, fp32 and FP8, not {}", name_of(key.type));
  }
  // cuBLAS documentation, "cublasLtMatmul", requirements of FP8 kernels.
  constexpr int ada = 89;
  constexpr int datacenter_blackwell = 100;
  constexpr int end_of_datacenter_blackwell = 120;
  constexpr std::int64_t step = 16;
  if (compute_capability < ada) {
    return fmt::format("FP8 products need compute capability 8.9 or newer, this GPU has {}.{}",
                       compute_capability / 10,
                       compute_capability % 10);
  }
  const bool takes_any_layout = compute_capability >= datacenter_blackwell &&
                                compute_capability < end_of_datacenter_blackwell;
  if (shape.layout != GemmLayout::nt && !takes_any_layout) {
    return "FP8 products on this GPU are nt only: training transposes operands when it casts them";
  }
  if (shape.m % step != 0 || shape.n % step != 0 || shape.k % step != 0) {
    return fmt::format("FP8 products take sizes in steps of {}", step);
  }
  return std::nullopt;
}

GemmRunner::GemmRunner(int ordinal) {
  cublasLtHandle_t handle = nullptr;
  FORERUN_CUDA_CHECK(cublasLtCreate(&handle));
  handle_ = BlasHandle(handle);
  int major = 0;
  int minor = 0;
  FORERUN_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal));
  FORERUN_CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, ordinal));
  compute_capability_ = 10 * major + minor;
}

std::optional<std::string> GemmRunner::refuses(const KernelKey& key) const {
  return gemm_refusal(key, compute_capability_);
}

void GemmRunner::run(cudaStream_t stream,
                     const KernelKey& key,
                     std::span<void* const> operands,
                     void* workspace) {
  const Factors factors(key, operands);
  const std::array<const void*, 3> addresses{factors.a, factors.b, factors.c};
  const MatmulPlan& plan = plan_for({key, common_alignment(addresses)});
  if (is_fp8(key.type)) {
    set_scales(plan.description, factors);
  }
  const float alpha = 1.0F;
  const bool accumulates = std::get<GemmShape>(key.shape).output == GemmOutput::accumulate_fp32;
  const float beta = accumulates ? 1.0F : 0.0F;
  FORERUN_CUDA_CHECK(cublasLtMatmul(handle_.raw(),
                                    plan.description.raw(),
                                    &alpha,
                                    factors.b,
                                    plan.first.raw(),
                                    factors.a,
                                    plan.second.raw(),
                                    &beta,
                                    factors.c,
                                    plan.result.raw(),
                                    factors.c,
                                    plan.result.raw(),
                                    &plan.algorithm,
                                    workspace,
                                    gemm_workspace_bytes,
                                    stream));
}

int GemmRunner::algorithm_id(const KernelKey& key, std::size_t alignment_bytes) {
  return cuda::algorithm_id(plan_for({key, std::min(alignment_bytes, cuda_malloc_alignment)}));
}

const MatmulPlan& GemmRunner::plan_for(const PlanKey& key) {
  const auto known = plans_.find(key);
  return known != plans_.end() ? known->second : plans_.emplace(key, make_plan(key)).first->second;
}

MatmulPlan GemmRunner::make_plan(const PlanKey& plan_key) const {
  const auto& [key, alignment_bytes] = plan_key;
  const auto& s = std::get<GemmShape>(key.shape);
  const cudaDataType_t type = blas_type(key.type);
  // The second factor of FP8 products is e4m3 whatever the first is.
  const cudaDataType_t other = is_fp8(key.type) ? CUDA_R_8F_E4M3 : type;
  // A row-major matrix is its transpose in columns; its rows become the leading size.
  MatmulPlan plan{.description = describe(key, s),
                  .first = s.layout == GemmLayout::nt ? make_layout(other, s.k, s.n, s.k)
                                                      : make_layout(other, s.n, s.k, s.n),
                  .second = s.layout == GemmLayout::tn ? make_layout(type, s.m, s.k, s.m)
                                                       : make_layout(type, s.k, s.m, s.k),
                  .result = make_layout(result_type(key, s), s.n, s.m, s.n)};
  choose_algorithm(handle_.raw(), plan, alignment_bytes, text_of(key));
  return plan;
}

}  // namespace forerun::cuda
