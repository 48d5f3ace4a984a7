// Sums over the rows of a matrix, added into fp32 vectors in a fixed order: gradients of weights.
#pragma once

#include <algorithm>
#include <cstdint>

#include <cuda_runtime_api.h>

#include "kernels/cuda/column_sums.hpp"
#include "kernels/cuda/launch.cuh"
#include "units/integer.hpp"

namespace forerun::cuda {

constexpr int column_lanes = 32;
constexpr int row_lanes = 8;

/// Row chunks that fill a GPU of any size (about a thousand blocks), at least eight rows a lane.
inline std::int64_t row_chunks(std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t wanted_blocks = 1024;
  const std::int64_t column_blocks = ceil_div<std::int64_t>(columns, column_lanes);
  const std::int64_t most = std::max<std::int64_t>(1, rows / (row_lanes * 8));
  return std::clamp<std::int64_t>(wanted_blocks / column_blocks, 1, most);
}

/// partial[chunk][sum][column] = sum over the chunk's rows of term(row, column)[sum].
template <int Sums, class Term>
__global__ void partial_column_sums(Term term,
                                    std::int64_t rows,
                                    std::int64_t columns,
                                    float* partial) {
  __shared__ float lanes[Sums][row_lanes][column_lanes];
  const std::int64_t column =
      static_cast<std::int64_t>(blockIdx.x) * column_lanes + static_cast<int>(threadIdx.x);
  float sums[Sums] = {};
  if (column < columns) {
    for (std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * row_lanes + threadIdx.y;
         row < rows;
         row += static_cast<std::int64_t>(gridDim.y) * row_lanes) {
      term(row, column, sums);
    }
  }
  for (int sum = 0; sum < Sums; ++sum) {
    lanes[sum][threadIdx.y][threadIdx.x] = sums[sum];
  }
  __syncthreads();
  if (threadIdx.y == 0 && column < columns) {
    for (int sum = 0; sum < Sums; ++sum) {
      float total = 0.0F;
      for (int lane = 0; lane < row_lanes; ++lane) {
        total += lanes[sum][lane][threadIdx.x];
      }
      partial[(static_cast<std::int64_t>(blockIdx.y) * Sums + sum) * columns + column] = total;
    }
  }
}

template <int Sums>
struct Targets {
  float* vectors[Sums];
};

template <int Sums>
__global__ void add_partial_sums(const float* partial,
                                 std::int64_t chunks,
                                 std::int64_t columns,
                                 Targets<Sums> targets) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= columns) {
    return;
  }
  for (int sum = 0; sum < Sums; ++sum) {
    float total = 0.0F;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      total += partial[(chunk * Sums + sum) * columns + column];
    }
    if (targets.vectors[sum] != nullptr) {
      targets.vectors[sum][column] += total;
    }
  }
}

struct MatrixSize {
  std::int64_t rows;
  std::int64_t columns;
};

/// targets[sum][column] += sum over rows of term(row, column)[sum], but for null targets. `term`
/// adds to its third argument; `scratch` holds column_sum_scratch_bytes.
template <int Sums, class Term>
void add_column_sums(
    cudaStream_t stream, Term term, MatrixSize size, float* scratch, Targets<Sums> targets) {
  const std::int64_t chunks = row_chunks(size.rows, size.columns);
  const dim3 grid(static_cast<unsigned>(ceil_div<std::int64_t>(size.columns, column_lanes)),
                  static_cast<unsigned>(chunks));
  launch(stream,
         {grid, dim3(column_lanes, row_lanes)},
         partial_column_sums<Sums, Term>,
         term,
         size.rows,
         size.columns,
         scratch);
  constexpr int threads = 128;
  launch(stream,
         {static_cast<unsigned>(ceil_div<std::int64_t>(size.columns, threads)), threads},
         add_partial_sums<Sums>,
         scratch,
         chunks,
         size.columns,
         targets);
}

}  // namespace forerun::cuda
