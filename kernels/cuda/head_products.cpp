#include "kernels/cuda/head_products.hpp"

#include <array>
#include <variant>

#include "kernels/cuda/library_check.hpp"

namespace forerun::cuda {

namespace {

void set_batch(const MatrixLayout& layout, std::int64_t count, std::int64_t step) {
  const auto products = static_cast<std::int32_t>(count);
  FORERUN_CUDA_CHECK(cublasLtMatrixLayoutSetAttribute(
      layout.raw(), CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &products, sizeof(products)));
  FORERUN_CUDA_CHECK(cublasLtMatrixLayoutSetAttribute(
      layout.raw(), CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step, sizeof(step)));
}

MatmulPlan make_plan(cublasLtHandle_t handle,
                     const BatchShape& s,
                     DataType type,
                     std::size_t alignment_bytes) {
  const cudaDataType_t stored = blas_type(type);
  // A row-major matrix is its transpose in columns; its rows become the leading size.
  MatmulPlan plan{.description = make_description(s.layout),
                  .first = s.layout == GemmLayout::nt ? make_layout(stored, s.k, s.n, s.b.row)
                                                      : make_layout(stored, s.n, s.k, s.b.row),
                  .second = s.layout == GemmLayout::tn ? make_layout(stored, s.m, s.k, s.a.row)
                                                       : make_layout(stored, s.k, s.m, s.a.row),
                  .result = make_layout(stored, s.n, s.m, s.c.row)};
  set_batch(plan.first, s.count, s.b.step);
  set_batch(plan.second, s.count, s.a.step);
  set_batch(plan.result, s.count, s.c.step);
  choose_algorithm(handle, plan, alignment_bytes, "products of stored scores");
  return plan;
}

void* at(const Place& place, DataType type, std::span<void* const> operands) {
  return static_cast<std::byte*>(operands[place.operand]) +
         static_cast<std::size_t>(place.element) * element_bytes(type);
}

std::array<std::size_t, 3> steps_in_bytes(const BatchShape& shape, DataType type) {
  const auto bytes = [type](std::int64_t step) {
    return static_cast<std::size_t>(step) * element_bytes(type);
  };
  return {bytes(shape.a.step), bytes(shape.b.step), bytes(shape.c.step)};
}

/// dv, [token][kv_heads * value_size], into the values' columns of packed d_qkv.
void copy_value_gradient(cudaStream_t stream,
                         const KernelKey& key,
                         std::span<void* const> operands) {
  const auto& s = std::get<AttentionKeyShape>(key.shape);
  const std::size_t element = element_bytes(key.type);
  const auto row = static_cast<std::size_t>(s.kv_heads * value_size(s)) * element;
  const auto width = static_cast<std::size_t>((s.heads + 2 * s.kv_heads) * s.head_size) * element;
  // NOLINTNEXTLINE(readability-suspicious-call-argument): its pitch is the width of a token
  FORERUN_CUDA_CHECK(cudaMemcpy2DAsync(static_cast<std::byte*>(operands[3]) + width - row,
                                       width,
                                       operands[2],
                                       row,
                                       row,
                                       static_cast<std::size_t>(s.batch * s.length),
                                       cudaMemcpyDeviceToDevice,
                                       stream));
}

}  // namespace

bool HeadProductRunner::takes(const KernelKey& key) {
  return (key.type == DataType::bf16 || key.type == DataType::fp32) && !head_products(key).empty();
}

void HeadProductRunner::run(cudaStream_t stream,
                            const KernelKey& key,
                            std::span<void* const> operands,
                            void* workspace) {
  for (const ProductBatch& batch : head_products(key)) {
    multiply(stream, batch, key.type, operands, workspace);
  }
  if (key.op == KernelOp::scores_backward) {
    copy_value_gradient(stream, key, operands);
  }
}

void HeadProductRunner::multiply(cudaStream_t stream,
                                 const ProductBatch& batch,
                                 DataType type,
                                 std::span<void* const> operands,
                                 void* workspace) {
  const void* a = at(batch.a, type, operands);
  const void* b = at(batch.b, type, operands);
  void* c = at(batch.c, type, operands);
  const std::array addresses{a, b, static_cast<const void*>(c)};
  const MatmulPlan& plan =
      plan_for({batch.shape, type, common_alignment(addresses, steps_in_bytes(batch.shape, type))});
  const float alpha = 1.0F;
  const float beta = batch.adds ? 1.0F : 0.0F;
  FORERUN_CUDA_CHECK(cublasLtMatmul(handle_,
                                    plan.description.raw(),
                                    &alpha,
                                    b,
                                    plan.first.raw(),
                                    a,
                                    plan.second.raw(),
                                    &beta,
                                    c,
                                    plan.result.raw(),
                                    c,
                                    plan.result.raw(),
                                    &plan.algorithm,
                                    workspace,
                                    gemm_workspace_bytes,
                                    stream));
}

int HeadProductRunner::algorithm_id(const KernelKey& key) {
  const ProductBatch batch = head_products(key).front();
  std::array<std::size_t, 6> offsets{};
  const auto steps = steps_in_bytes(batch.shape, key.type);
  std::copy(steps.begin(), steps.end(), offsets.begin());
  std::size_t next = steps.size();
  for (const Place& place : {batch.a, batch.b, batch.c}) {
    offsets[next++] = static_cast<std::size_t>(place.element) * element_bytes(key.type);
  }
  return cuda::algorithm_id(plan_for({batch.shape, key.type, common_alignment({}, offsets)}));
}

const MatmulPlan& HeadProductRunner::plan_for(const PlanKey& key) {
  const auto known = plans_.find(key);
  if (known != plans_.end()) {
    return known->second;
  }
  const auto& [shape, type, alignment] = key;
  return plans_.emplace(key, make_plan(handle_, shape, type, alignment)).first->second;
}

}  // namespace forerun::cuda
