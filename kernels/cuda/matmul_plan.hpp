// What cuBLASLt needs to know before it multiplies: layouts of three matrices, the description of
// the product, the algorithm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <cublasLt.h>

#include "kernels/cuda/handles.hpp"
#include "kernels/kernel_shape.hpp"
#include "units/data_type.hpp"

namespace forerun::cuda {

/// Workspace that algorithms may ask for: what cuBLAS itself takes on Hopper.
inline constexpr std::size_t gemm_workspace_bytes = std::size_t{32} << 20U;

/// A row-major product C = A B in cuBLASLt's column-major order, C^T = B^T A^T.
struct MatmulPlan {
  MatmulDescription description;
  MatrixLayout first;   ///< B
  MatrixLayout second;  ///< A
  MatrixLayout result;
  cublasLtMatmulAlgo_t algorithm{};
};

[[nodiscard]] cudaDataType_t blas_type(DataType type);

/// Of a column-major matrix whose columns lie `leading` elements apart.
[[nodiscard]] MatrixLayout make_layout(cudaDataType_t type,
                                       std::int64_t rows,
                                       std::int64_t columns,
                                       std::int64_t leading);

/// Of products of row-major matrices, summed in fp32 without TF32.
[[nodiscard]] MatmulDescription make_description(GemmLayout layout);

/// The largest power of two, up to cudaMalloc's, that divides every address and every step in
/// bytes.
[[nodiscard]] std::size_t common_alignment(std::span<const void* const> addresses,
                                           std::span<const std::size_t> steps = {});

/// One heuristic query for operands of this alignment. Throws std::runtime_error, with `name`,
/// when cuBLASLt knows no algorithm.
void choose_algorithm(cublasLtHandle_t handle,
                      MatmulPlan& plan,
                      std::size_t alignment_bytes,
                      std::string_view name);

/// cuBLASLt's id of the chosen algorithm.
[[nodiscard]] int algorithm_id(const MatmulPlan& plan);

}  // namespace forerun::cuda
