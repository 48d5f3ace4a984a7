// Row-major matrix products as cuBLASLt's column-major ones, and the choice of algorithm.
#include "kernels/cuda/gemm.hpp"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <variant>

#include "kernels/cuda/check.hpp"

namespace forerun::cuda {

namespace {

constexpr std::size_t most_alignment_bytes = 256;  ///< what cudaMalloc gives

cudaDataType_t blas_type(DataType type) {
  return type == DataType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

MatrixLayout make_layout(cudaDataType_t type, std::int64_t rows, std::int64_t columns) {
  cublasLtMatrixLayout_t layout = nullptr;
  FORERUN_CUDA_CHECK(cublasLtMatrixLayoutCreate(
      &layout, type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), rows));
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

/// The largest power of two, up to cudaMalloc's, that divides every address.
std::size_t common_alignment(std::span<void* const> operands) {
  std::size_t alignment = most_alignment_bytes;
  for (const void* operand : operands) {
    while (reinterpret_cast<std::uintptr_t>(operand) % alignment != 0) {
      alignment /= 2;
    }
  }
  return alignment;
}

}  // namespace

GemmRunner::GemmRunner() {
  cublasLtHandle_t handle = nullptr;
  FORERUN_CUDA_CHECK(cublasLtCreate(&handle));
  handle_ = BlasHandle(handle);
}

void GemmRunner::run(cudaStream_t stream,
                     const KernelKey& key,
                     std::span<void* const> operands,
                     void* workspace) {
  const Plan& plan = plan_for({key, common_alignment(operands)});
  const float alpha = 1.0F;
  const bool accumulates = std::get<GemmShape>(key.shape).output == GemmOutput::accumulate_fp32;
  const float beta = accumulates ? 1.0F : 0.0F;
  FORERUN_CUDA_CHECK(cublasLtMatmul(handle_.raw(),
                                    plan.description.raw(),
                                    &alpha,
                                    operands[1],
                                    plan.first.raw(),
                                    operands[0],
                                    plan.second.raw(),
                                    &beta,
                                    operands[2],
                                    plan.result.raw(),
                                    operands[2],
                                    plan.result.raw(),
                                    &plan.algorithm,
                                    workspace,
                                    gemm_workspace_bytes,
                                    stream));
}

int GemmRunner::algorithm_id(const KernelKey& key, std::size_t alignment_bytes) {
  const Plan& plan = plan_for({key, std::min(alignment_bytes, most_alignment_bytes)});
  int id = -1;
  std::size_t written = 0;
  FORERUN_CUDA_CHECK(cublasLtMatmulAlgoConfigGetAttribute(
      &plan.algorithm, CUBLASLT_ALGO_CONFIG_ID, &id, sizeof(id), &written));
  return id;
}

const GemmRunner::Plan& GemmRunner::plan_for(const PlanKey& key) {
  const auto known = plans_.find(key);
  return known != plans_.end() ? known->second : plans_.emplace(key, make_plan(key)).first->second;
}

GemmRunner::Plan GemmRunner::make_plan(const PlanKey& plan_key) const {
  const auto& shape = std::get<GemmShape>(plan_key.first.shape);
  const cudaDataType_t type = blas_type(plan_key.first.type);
  const bool accumulates = shape.output == GemmOutput::accumulate_fp32;
  Plan plan{.description = make_description(shape.layout),
            // A row-major matrix is its transpose in columns; its rows become the leading size.
            .first = shape.layout == GemmLayout::nt ? make_layout(type, shape.k, shape.n)
                                                    : make_layout(type, shape.n, shape.k),
            .second = shape.layout == GemmLayout::tn ? make_layout(type, shape.m, shape.k)
                                                     : make_layout(type, shape.k, shape.m),
            .result = make_layout(accumulates ? CUDA_R_32F : type, shape.n, shape.m)};
  const MatmulPreference preference = make_preference(plan_key.second);
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  FORERUN_CUDA_CHECK(cublasLtMatmulAlgoGetHeuristic(handle_.raw(),
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
    throw std::runtime_error("cuBLASLt knows no algorithm for " + text_of(plan_key.first));
  }
  plan.algorithm = best.algo;
  return plan;
}

}  // namespace forerun::cuda
