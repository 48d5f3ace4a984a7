#include "kernels/cuda/matmul_plan.hpp"

#include <stdexcept>
#include <string>

#include "kernels/cuda/library_check.hpp"
#include "kernels/cuda/scratch.hpp"

namespace forerun::cuda {

namespace {

MatmulPreference make_preference(std::size_t alignment_bytes) {
  cublasLtMatmulPreference_t raw = nullptr;
  FORERUN_CUDA_CHECK(cublasLtMatmulPreferenceCreate(&raw));
  MatmulPreference preference(raw);
  FORERUN_CUDA_CHECK(cublasLtMatmulPreferenceSetAttribute(raw,
                                                          CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                          &gemm_workspace_bytes,
                                                          sizeof(gemm_workspace_bytes)));
  const auto alignment = static_cast<std::uint32_t>(alignment_bytes);
  for (const auto attribute : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                               CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                               CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                               CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    FORERUN_CUDA_CHECK(
        cublasLtMatmulPreferenceSetAttribute(raw, attribute, &alignment, sizeof(alignment)));
  }
  return preference;
}

}  // namespace

cudaDataType_t blas_type(DataType type) {
  switch (type) {
    case DataType::bf16:
      return CUDA_R_16BF;
    case DataType::fp8_e4m3:
      return CUDA_R_8F_E4M3;
    case DataType::fp8_e5m2:
      return CUDA_R_8F_E5M2;
    default:
      return CUDA_R_32F;
  }
}

MatrixLayout make_layout(cudaDataType_t type,
                         std::int64_t rows,
                         std::int64_t columns,
                         std::int64_t leading) {
  cublasLtMatrixLayout_t layout = nullptr;
  FORERUN_CUDA_CHECK(cublasLtMatrixLayoutCreate(&layout,
                                                type,
                                                static_cast<std::uint64_t>(rows),
                                                static_cast<std::uint64_t>(columns),
                                                leading));
  return MatrixLayout(layout);
}

MatmulDescription make_description(GemmLayout layout) {
  cublasLtMatmulDesc_t raw = nullptr;
  FORERUN_CUDA_CHECK(cublasLtMatmulDescCreate(&raw, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  MatmulDescription description(raw);
  const cublasOperation_t first = layout == GemmLayout::nt ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t second = layout == GemmLayout::tn ? CUBLAS_OP_T : CUBLAS_OP_N;
  FORERUN_CUDA_CHECK(
      cublasLtMatmulDescSetAttribute(raw, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof(first)));
  FORERUN_CUDA_CHECK(
      cublasLtMatmulDescSetAttribute(raw, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof(second)));
  return description;
}

std::size_t common_alignment(std::span<const void* const> addresses,
                             std::span<const std::size_t> steps) {
  std::size_t alignment = cuda_malloc_alignment;
  const auto fit = [&alignment](std::size_t value) {
    while (value % alignment != 0) {
      alignment /= 2;
    }
  };
  for (const void* address : addresses) {
    fit(reinterpret_cast<std::uintptr_t>(address));
  }
  for (const std::size_t step : steps) {
    fit(step);
  }
  return alignment;
}

void choose_algorithm(cublasLtHandle_t handle,
                      MatmulPlan& plan,
                      std::size_t alignment_bytes,
                      std::string_view name) {
  const MatmulPreference preference = make_preference(alignment_bytes);
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  FORERUN_CUDA_CHECK(cublasLtMatmulAlgoGetHeuristic(handle,
                                                    plan.description.raw(),
                                                    plan.first.raw(),
                                                    plan.second.raw(),
                                                    plan.result.raw(),
                                                    plan.result.raw(),
                                                    preference.raw(),
                                                    1,
                                                    &best,
                                                    &found));
  if (found == 0) {
    throw std::runtime_error("cuBLASLt knows no algorithm for " + std::string(name));
  }
  plan.algorithm = best.algo;
}

int algorithm_id(const MatmulPlan& plan) {
  int id = -1;
  std::size_t written = 0;
  FORERUN_CUDA_CHECK(cublasLtMatmulAlgoConfigGetAttribute(
      &plan.algorithm, CUBLASLT_ALGO_CONFIG_ID, &id, sizeof(id), &written));
  return id;
}

}  // namespace forerun::cuda
