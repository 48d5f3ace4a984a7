// Products of the experts by tiles of 128 x 128: one kernel for the three layouts, which differ in
// which dimension of each side lies together in memory.
#include <cuda_bf16.h>

#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/grouped_gemm_launch.hpp"
#include "kernels/cuda/matrix_core.cuh"

namespace forerun::cuda {

namespace {

constexpr int tile = 128;  ///< rows and columns of a block's result
constexpr int depth = 32;  ///< of one step along the summed dimension
constexpr int packs = tile * depth / 8 / block_threads;

/// One factor: its elements (out, summed) lie at out * stride + summed, or, where the outer
/// dimension lies together, at summed * stride + out.
template <class T>
struct Side {
  const T* memory;
  std::int64_t out;     ///< size
  std::int64_t summed;  ///< size
  std::int64_t stride;
};

/// Rows of shared memory [out][summed]: padded, so that the lanes of a fragment hit all banks.
template <class T>
constexpr int row_length = depth + (sizeof(T) == 2 ? 8 : 1);

/// The part of a side's tile that a thread carries from global to shared memory.
template <class T, bool OutTogether>
class Carried {
 public:
  __device__ void load(const Side<T>& side, std::int64_t first_out, std::int64_t first_summed) {
    const bool is_wide = side.stride % 8 == 0 && is_aligned(side.memory, 16);
#pragma unroll
    for (int p = 0; p < packs; ++p) {
      const std::int64_t out = first_out + out_of(p);
      const std::int64_t summed = first_summed + summed_of(p);
      const std::int64_t along = OutTogether ? side.out - out : side.summed - summed;
      const bool is_inside = out < side.out && summed < side.summed;
      const T* source =
          side.memory + (OutTogether ? summed * side.stride + out : out * side.stride + summed);
      if (is_inside && is_wide && along >= 8) {
#pragma unroll
        for (int half = 0; half < 8 / wide<T>; ++half) {
          const auto pack = *reinterpret_cast<const Pack<T, wide<T>>*>(source + half * wide<T>);
#pragma unroll
          for (int i = 0; i < wide<T>; ++i) {
            values_[p][half * wide<T> + i] = pack.values[i];
          }
        }
      } else {
#pragma unroll
        for (int i = 0; i < 8; ++i) {
          values_[p][i] = is_inside && i < along ? source[i] : from_float<T>(0.0F);
        }
      }
    }
  }

  __device__ void store(T* shared) const {
#pragma unroll
    for (int p = 0; p < packs; ++p) {
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const int out = out_of(p) + (OutTogether ? i : 0);
        const int summed = summed_of(p) + (OutTogether ? 0 : i);
        shared[out * row_length<T> + summed] = values_[p][i];
      }
    }
  }

 private:
  __device__ static int pack_of(int p) {
    return static_cast<int>(threadIdx.x) + p * block_threads;
  }

  __device__ static int out_of(int p) {
    return OutTogether ? pack_of(p) / depth * 8 : pack_of(p) / (depth / 8);
  }

  __device__ static int summed_of(int p) {
    return OutTogether ? pack_of(p) % depth : pack_of(p) % (depth / 8) * 8;
  }

  T values_[packs][8];
};

/// A block's result, 64 elements a thread.
template <class T>
class Result;

/// By the matrix cores: eight warps, two by four, each 64 x 32.
template <>
class Result<__nv_bfloat16> {
 public:
  __device__ void add(const __nv_bfloat16* a, const __nv_bfloat16* b) {
    constexpr int length = row_length<__nv_bfloat16>;
#pragma unroll
    for (int step = 0; step < depth; step += 16) {
      const int column = step + lane() % 4 * 2;
      unsigned left[4][4];
      unsigned right[4][2];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const __nv_bfloat16* row = a + (first_row() + i * 16 + lane() / 4) * length + column;
        left[i][0] = two(row);
        left[i][1] = two(row + 8 * length);
        left[i][2] = two(row + 8);
        left[i][3] = two(row + 8 * length + 8);
        const __nv_bfloat16* other = b + (first_column() + i * 8 + lane() / 4) * length + column;
        right[i][0] = two(other);
        right[i][1] = two(other + 8);
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          multiply_add(sums_[i][j], left[i], right[j]);
        }
      }
    }
  }

  /// Calls visit(row, column, value) for each element.
  template <class Visit>
  __device__ void each(const Visit& visit) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          visit(first_row() + i * 16 + lane() / 4 + k / 2 * 8,
                first_column() + j * 8 + lane() % 4 * 2 + k % 2,
                sums_[i][j][k]);
        }
      }
    }
  }

 private:
  __device__ static int lane() {
    return static_cast<int>(threadIdx.x) % warp_size;
  }

  __device__ static int first_row() {
    return static_cast<int>(threadIdx.x) / warp_size % 2 * 64;
  }

  __device__ static int first_column() {
    return static_cast<int>(threadIdx.x) / warp_size / 2 * 32;
  }

  __device__ static unsigned two(const __nv_bfloat16* values) {
    return *reinterpret_cast<const unsigned*>(values);
  }

  float sums_[4][4][4] = {};
};

/// By multiply-adds: a thread has every sixteenth row and column.
template <>
class Result<float> {
 public:
  __device__ void add(const float* a, const float* b) {
    for (int step = 0; step < depth; ++step) {
      float left[8];
      float right[8];
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        left[i] = a[(row() + i * 16) * row_length<float> + step];
        right[i] = b[(column() + i * 16) * row_length<float> + step];
      }
#pragma unroll
      for (int i = 0; i < 8; ++i) {
#pragma unroll
        for (int j = 0; j < 8; ++j) {
          sums_[i][j] += left[i] * right[j];
        }
      }
    }
  }

  template <class Visit>
  __device__ void each(const Visit& visit) const {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        visit(row() + i * 16, column() + j * 16, sums_[i][j]);
      }
    }
  }

 private:
  __device__ static int row() {
    return static_cast<int>(threadIdx.x) / 16;
  }

  __device__ static int column() {
    return static_cast<int>(threadIdx.x) % 16;
  }

  float sums_[8][8] = {};
};

/// Where a block's result begins: rows of one group, or its weights.
struct Place {
  std::int64_t group;
  std::int64_t first_row;  ///< of the group's rows
  std::int64_t rows;       ///< of the group
  std::int64_t tile_row;   ///< among the group's tiles; -1: the block has no work
};

/// The group to which the block's row of tiles belongs; the same in every thread.
__device__ Place find_rows(const std::int32_t* ends, std::int64_t groups, std::int64_t tile_row) {
  std::int64_t first = 0;
  for (std::int64_t group = 0; group < groups; ++group) {
    const std::int64_t rows = ends[group] - first;
    const std::int64_t tiles = ceil_div<std::int64_t>(rows, tile);
    if (tile_row < tiles) {
      return {group, first, rows, tile_row};
    }
    tile_row -= tiles;
    first = ends[group];
  }
  return {0, 0, 0, -1};
}

/// Both sides of the block's product and its result's row length.
template <class T>
struct Product {
  Side<T> a;
  Side<T> b;
  std::int64_t c_offset;  ///< of the result's first element
  std::int64_t columns;
};

template <class T, GemmLayout Layout>
__device__ Product<T> product_of(const GroupedGemmShape& shape,
                                 const GroupedOperands& operands,
                                 const Place& place) {
  const T* a = static_cast<const T*>(operands.a);
  const T* b = static_cast<const T*>(operands.b);
  const std::int64_t weights = place.group * shape.n * shape.k;
  if (Layout == GemmLayout::nt) {
    return {{a + place.first_row * shape.k, place.rows, shape.k, shape.k},
            {b + weights, shape.n, shape.k, shape.k},
            place.first_row * shape.n,
            shape.n};
  }
  if (Layout == GemmLayout::nn) {
    return {{a + place.first_row * shape.n, place.rows, shape.n, shape.n},
            {b + weights, shape.k, shape.n, shape.k},
            place.first_row * shape.k,
            shape.k};
  }
  return {{a + place.first_row * shape.n, shape.n, place.rows, shape.n},
          {b + place.first_row * shape.k, shape.k, place.rows, shape.k},
          weights,
          shape.k};
}

template <class T, GemmLayout Layout, bool Accumulates>
__global__ void __launch_bounds__(block_threads)
    multiply_groups(GroupedGemmShape shape, GroupedOperands operands) {
  constexpr bool a_out_together = Layout == GemmLayout::tn;
  constexpr bool b_out_together = Layout != GemmLayout::nt;
  __shared__ T shared_a[tile * row_length<T>];
  __shared__ T shared_b[tile * row_length<T>];
  Place place{};
  if (Layout == GemmLayout::tn) {
    const std::int64_t first = blockIdx.z == 0 ? 0 : operands.ends[blockIdx.z - 1];
    place = {blockIdx.z, first, operands.ends[blockIdx.z] - first, blockIdx.y};
  } else {
    place = find_rows(operands.ends, shape.groups, blockIdx.y);
  }
  if (place.tile_row < 0) {
    return;
  }
  const Product<T> product = product_of<T, Layout>(shape, operands, place);
  const std::int64_t first_row = place.tile_row * tile;
  const std::int64_t first_column = static_cast<std::int64_t>(blockIdx.x) * tile;
  Carried<T, a_out_together> a;
  Carried<T, b_out_together> b;
  Result<T> result;
  a.load(product.a, first_row, 0);
  b.load(product.b, first_column, 0);
  for (std::int64_t step = 0; step < product.a.summed; step += depth) {
    __syncthreads();
    a.store(shared_a);
    b.store(shared_b);
    __syncthreads();
    a.load(product.a, first_row, step + depth);  // under the products of this step
    b.load(product.b, first_column, step + depth);
    result.add(shared_a, shared_b);
  }
  result.each([&](int row, int column, float value) {
    const std::int64_t i = first_row + row;
    const std::int64_t j = first_column + column;
    if (i < product.a.out && j < product.b.out) {
      const std::int64_t at = product.c_offset + i * product.columns + j;
      if (Accumulates) {
        static_cast<float*>(operands.c)[at] += value;
      } else {
        static_cast<T*>(operands.c)[at] = from_float<T>(value);
      }
    }
  });
}

unsigned tiles_of(std::int64_t size) {
  return static_cast<unsigned>(ceil_div<std::int64_t>(size, tile));
}

template <class T, GemmLayout Layout>
void start(cudaStream_t stream, const GroupedGemmShape& shape, const GroupedOperands& operands) {
  // As many rows of tiles as any loads of the groups need: those left over return at once.
  const dim3 blocks = Layout == GemmLayout::tn
                          ? dim3(tiles_of(shape.k), tiles_of(shape.n), unsigned(shape.groups))
                          : dim3(tiles_of(Layout == GemmLayout::nt ? shape.n : shape.k),
                                 static_cast<unsigned>(shape.rows / tile + shape.groups));
  if (shape.output == GemmOutput::accumulate_fp32) {
    launch(stream, {blocks, block_threads}, multiply_groups<T, Layout, true>, shape, operands);
  } else {
    launch(stream, {blocks, block_threads}, multiply_groups<T, Layout, false>, shape, operands);
  }
}

template <class T>
void start(cudaStream_t stream, const GroupedGemmShape& shape, const GroupedOperands& operands) {
  switch (shape.layout) {
    case GemmLayout::nt:
      start<T, GemmLayout::nt>(stream, shape, operands);
      break;
    case GemmLayout::nn:
      start<T, GemmLayout::nn>(stream, shape, operands);
      break;
    case GemmLayout::tn:
      start<T, GemmLayout::tn>(stream, shape, operands);
      break;
  }
}

}  // namespace

void launch_grouped_gemm(cudaStream_t stream,
                         DataType type,
                         const GroupedGemmShape& shape,
                         const GroupedOperands& operands) {
  if (type == DataType::bf16) {
    start<__nv_bfloat16>(stream, shape, operands);
  } else {
    start<float>(stream, shape, operands);
  }
}

}  // namespace forerun::cuda
