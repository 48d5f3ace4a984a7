// Decode attention: the context is split over warps, each with its own running softmax; a second
// kernel joins their parts. The cache is read once for up to eight query heads of a group.
#include <cuda_bf16.h>

#include "kernels/cuda/decode_launch.hpp"
#include "kernels/cuda/device_code.cuh"

namespace forerun::cuda {

namespace {

constexpr int warps = 4;
constexpr int keys_at_once = 4;  ///< loads in flight for each lane

/// How the context is cut: `parts` pieces, one a warp.
struct Split {
  std::int64_t parts;
  std::int64_t keys;  ///< of one part

  __device__ __host__ Split(const DecodeSize& size) {
    // Enough warps to fill any GPU: eight a block slot of 132 SMs; no fewer than 16 keys each.
    constexpr std::int64_t wanted_warps = 4224;
    const std::int64_t rows = size.batch * size.kv_heads;
    const std::int64_t most = (size.context + 15) / 16;
    const std::int64_t wanted = ceil_div(wanted_warps, rows);
    const std::int64_t cut = wanted < most ? wanted : most;
    parts = rounded_up<std::int64_t>(cut, warps);
    keys = ceil_div(size.context, parts);
  }
};

/// The elements of a row that one lane holds: `Packs` packs of `Width` neighbours.
template <int Width, int Packs>
struct LaneRow {
  float values[Width * Packs];

  template <class T>
  __device__ void load(const T* row, std::int64_t size) {
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
#pragma unroll
    for (int p = 0; p < Packs; ++p) {
      const int first = (p * warp_size + lane) * Width;
      Pack<T, Width> pack;
      if (first < size) {
        pack = *reinterpret_cast<const Pack<T, Width>*>(row + first);
      }
#pragma unroll
      for (int i = 0; i < Width; ++i) {
        values[p * Width + i] = first < size ? to_float(pack.values[i]) : 0.0F;
      }
    }
  }

  __device__ void clear() {
#pragma unroll
    for (float& value : values) {
      value = 0.0F;
    }
  }
};

/// parts[part][batch * heads][value_size + 2]: unnormed output, largest score, sum of weights.
template <class T, int Width, int Packs, int Heads>
__global__ void attend_part(DecodeSize size, DecodeOperands operands, float scale) {
  using Row = LaneRow<Width, Packs>;
  const Split split(size);
  const std::int64_t part = static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.x / warp_size;
  const std::int64_t sequence = blockIdx.y / size.kv_heads;
  const std::int64_t kv_head = blockIdx.y % size.kv_heads;
  const std::int64_t group = size.heads / size.kv_heads;
  const std::int64_t first_head = kv_head * group + static_cast<std::int64_t>(blockIdx.z) * Heads;
  const std::int64_t end_head = (kv_head + 1) * group;
  const std::int64_t cache = (sequence * size.kv_heads + kv_head) * size.context;
  const T* keys = static_cast<const T*>(operands.k_cache) + cache * size.head_size;
  const T* values = static_cast<const T*>(operands.v_cache) + cache * size.value_stride;
  Row queries[Heads];
  Row sums[Heads];
  float largest[Heads];
  float total[Heads];
#pragma unroll
  for (int h = 0; h < Heads; ++h) {
    const std::int64_t head = min(first_head + h, end_head - 1);
    queries[h].load(
        static_cast<const T*>(operands.q) + (sequence * size.heads + head) * size.head_size,
        size.head_size);
    sums[h].clear();
    largest[h] = Largest::neutral;
    total[h] = 0.0F;
  }
  const std::int64_t end = min((part + 1) * split.keys, size.context);
  for (std::int64_t first = part * split.keys; first < end; first += keys_at_once) {
    float scores[Heads][keys_at_once];
    Row rows[keys_at_once];
#pragma unroll
    for (int j = 0; j < keys_at_once; ++j) {
      rows[j].load(keys + min(first + j, end - 1) * size.head_size, size.head_size);
    }
#pragma unroll
    for (int h = 0; h < Heads; ++h) {
#pragma unroll
      for (int j = 0; j < keys_at_once; ++j) {
        float product = 0.0F;
#pragma unroll
        for (int i = 0; i < Width * Packs; ++i) {
          product += queries[h].values[i] * rows[j].values[i];
        }
        product = reduce_warp(product, Sum{});
        scores[h][j] = first + j < end ? scale * product : Largest::neutral;
      }
    }
#pragma unroll
    for (int j = 0; j < keys_at_once; ++j) {
      rows[j].load(values + min(first + j, end - 1) * size.value_stride, size.value_size);
    }
#pragma unroll
    for (int h = 0; h < Heads; ++h) {
      float now_largest = largest[h];
#pragma unroll
      for (int j = 0; j < keys_at_once; ++j) {
        now_largest = fmaxf(now_largest, scores[h][j]);
      }
      const float correction = __expf(largest[h] - now_largest);
      largest[h] = now_largest;
      total[h] *= correction;
#pragma unroll
      for (float& sum : sums[h].values) {
        sum *= correction;
      }
#pragma unroll
      for (int j = 0; j < keys_at_once; ++j) {
        const float weight = __expf(scores[h][j] - now_largest);
        total[h] += weight;
#pragma unroll
        for (int i = 0; i < Width * Packs; ++i) {
          sums[h].values[i] += weight * rows[j].values[i];
        }
      }
    }
  }
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
#pragma unroll
  for (int h = 0; h < Heads; ++h) {
    if (first_head + h >= end_head) {
      continue;
    }
    float* target = operands.scratch +
                    (part * size.batch * size.heads + sequence * size.heads + first_head + h) *
                        (size.value_size + 2);
#pragma unroll
    for (int p = 0; p < Packs; ++p) {
#pragma unroll
      for (int i = 0; i < Width; ++i) {
        const int column = (p * warp_size + lane) * Width + i;
        if (column < size.value_size) {
          target[column] = sums[h].values[p * Width + i];
        }
      }
    }
    if (lane == 0) {
      target[size.value_size] = largest[h];
      target[size.value_size + 1] = total[h];
    }
  }
}

/// One block a query head.
template <class T>
__global__ void join_parts(DecodeSize size, DecodeOperands operands) {
  const Split split(size);
  const std::int64_t head = blockIdx.x;
  const std::int64_t stride = size.batch * size.heads * (size.value_size + 2);
  const float* own = operands.scratch + head * (size.value_size + 2);
  float largest = Largest::neutral;
  for (std::int64_t part = threadIdx.x; part < split.parts; part += blockDim.x) {
    largest = fmaxf(largest, own[part * stride + size.value_size]);
  }
  largest = reduce_block(largest, Largest{});
  float total = 0.0F;
  for (std::int64_t part = threadIdx.x; part < split.parts; part += blockDim.x) {
    const float* statistics = own + part * stride + size.value_size;
    total += __expf(statistics[0] - largest) * statistics[1];
  }
  total = reduce_block(total, Sum{});
  T* out = static_cast<T*>(operands.out) + head * size.value_size;
  for (std::int64_t i = threadIdx.x; i < size.value_size; i += blockDim.x) {
    float sum = 0.0F;
    for (std::int64_t part = 0; part < split.parts; ++part) {
      const float* row = own + part * stride;
      sum += __expf(row[size.value_size] - largest) * row[i];
    }
    out[i] = from_float<T>(sum / total);
  }
}

template <class T, int Width, int Packs, int Heads>
void start_parts(cudaStream_t stream, const DecodeSize& size, const DecodeOperands& operands) {
  const std::int64_t group = size.heads / size.kv_heads;
  const dim3 blocks(static_cast<unsigned>(Split(size).parts / warps),
                    static_cast<unsigned>(size.batch * size.kv_heads),
                    static_cast<unsigned>(ceil_div<std::int64_t>(group, Heads)));
  launch(stream,
         {blocks, warps * warp_size},
         attend_part<T, Width, Packs, Heads>,
         size,
         operands,
         1.0F / sqrtf(static_cast<float>(size.head_size)));
}

/// Registers hold `Packs` packs of the keys, of the queries and of the outputs of `Heads` heads.
template <class T>
void start_parts(cudaStream_t stream, const DecodeSize& size, const DecodeOperands& operands) {
  constexpr int width = 4;
  constexpr std::int64_t pack = std::int64_t{width} * warp_size;
  const std::int64_t largest = max(size.head_size, size.value_size);
  const bool is_wide = size.head_size % width == 0 && size.value_size % width == 0 &&
                       size.value_stride % width == 0 && is_aligned(operands.q, 16) &&
                       is_aligned(operands.k_cache, 16) && is_aligned(operands.v_cache, 16);
  const bool is_alone = size.heads == size.kv_heads;
  if (is_wide && largest <= pack && is_alone) {
    start_parts<T, width, 1, 1>(stream, size, operands);
  } else if (is_wide && largest <= pack) {
    start_parts<T, width, 1, 8>(stream, size, operands);
  } else if (is_wide && largest <= 2 * pack) {
    start_parts<T, width, 2, 4>(stream, size, operands);
  } else if (is_wide) {
    start_parts<T, width, 5, 2>(stream, size, operands);
  } else if (largest <= pack) {
    start_parts<T, 1, 4, 4>(stream, size, operands);
  } else {
    start_parts<T, 1, 20, 1>(stream, size, operands);
  }
}

}  // namespace

std::size_t decode_scratch_bytes(const DecodeSize& size) {
  return static_cast<std::size_t>(Split(size).parts * size.batch * size.heads *
                                  (size.value_size + 2)) *
         sizeof(float);
}

void launch_decode_attention(cudaStream_t stream,
                             const DecodeSize& size,
                             const DecodeOperands& operands) {
  const auto heads = static_cast<unsigned>(size.batch * size.heads);
  constexpr int threads = 128;
  if (size.type == DataType::bf16) {
    start_parts<__nv_bfloat16>(stream, size, operands);
    launch(stream, {heads, threads}, join_parts<__nv_bfloat16>, size, operands);
  } else {
    start_parts<float>(stream, size, operands);
    launch(stream, {heads, threads}, join_parts<float>, size, operands);
  }
}

}  // namespace forerun::cuda
