// Attention by blocks of 32 keys or queries with a running softmax in fp32, one warp a row.
#include <cuda_bf16.h>

#include "kernels/cuda/attention_launch.hpp"
#include "kernels/cuda/device_code.cuh"

namespace forerun::cuda {

namespace {

constexpr int tile = warp_size;  ///< rows of the other side in shared memory: one a lane
constexpr int warps = 8;         ///< own rows of a block: one a warp
constexpr int lane_elements = static_cast<int>(largest_own_head_size) / warp_size;

/// The rows of one head of one sequence; positions are `stride` elements apart.
template <class T>
struct HeadRows {
  T* first;
  std::int64_t stride;
  int size;  ///< elements of the head

  __device__ HeadRows(const AttentionSize& shape,
                      const AttentionRows<T>& rows,
                      std::int64_t sequence,
                      std::int64_t head,
                      std::int64_t head_size)
      : first(rows.memory + sequence * rows.width + head * head_size),
        stride(shape.batch * rows.width),
        size(static_cast<int>(head_size)) {}

  __device__ T* at(std::int64_t position) const { return first + position * stride; }

  /// Rows in shared memory are one element longer, so that 32 lanes reading a column hit 32 banks.
  __device__ int padded() const { return size + 1; }
};

/// Copies `tile` rows from position `first` on to shared memory; those from `end` on become zero.
template <class T>
__device__ void load_tile(float* target,
                          const HeadRows<const T>& rows,
                          std::int64_t first,
                          std::int64_t end) {
  for (int i = static_cast<int>(threadIdx.x); i < tile * rows.size;
       i += static_cast<int>(blockDim.x)) {
    const int row = i / rows.size;
    const int column = i % rows.size;
    const bool is_real = first + row < end;
    target[row * rows.padded() + column] = is_real ? to_float(rows.at(first + row)[column]) : 0.0F;
  }
}

/// One row, by the lanes of a warp.
template <class T>
__device__ void load_row(float* target, const HeadRows<const T>& rows, std::int64_t position) {
  for (int i = static_cast<int>(threadIdx.x) % warp_size; i < rows.size; i += warp_size) {
    target[i] = to_float(rows.at(position)[i]);
  }
}

__device__ float dot(const float* a, const float* b, int size) {
  float sum = 0.0F;
  for (int i = 0; i < size; ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

/// sums[e] += sum over the tile's rows r of weight(lane r) * rows[r][lane + 32 e].
__device__ void add_weighted(float (&sums)[lane_elements],
                             float weight,
                             const float* rows,
                             int size) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  for (int row = 0; row < tile; ++row) {
    const float share = __shfl_sync(0xffffffffU, weight, row);
#pragma unroll
    for (int e = 0; e < lane_elements; ++e) {
      const int column = lane + e * warp_size;
      if (column < size) {
        sums[e] += share * rows[row * (size + 1) + column];
      }
    }
  }
}

template <class T>
__device__ void store(T* target, const float (&sums)[lane_elements], float factor, int size) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
#pragma unroll
  for (int e = 0; e < lane_elements; ++e) {
    const int column = lane + e * warp_size;
    if (column < size) {
      target[column] = from_float<T>(sums[e] * factor);
    }
  }
}

/// What a block works on: `warps` neighbouring rows of one head of one sequence.
struct Work {
  std::int64_t sequence;
  std::int64_t head;
  std::int64_t first;  ///< position of the block's first row
  std::int64_t row;    ///< position of this warp's row
  int warp;
  int lane;

  __device__ explicit Work(std::int64_t heads)
      : sequence(blockIdx.y / heads),
        head(blockIdx.y % heads),
        first(static_cast<std::int64_t>(blockIdx.x) * warps),
        row(first + static_cast<int>(threadIdx.x) / warp_size),
        warp(static_cast<int>(threadIdx.x) / warp_size),
        lane(static_cast<int>(threadIdx.x) % warp_size) {}
};

__device__ bool sees(const AttentionSize& size, std::int64_t query, std::int64_t key) {
  return query < size.length && key < size.keys && key >= query - size.reach_back &&
         key <= query + size.reach_ahead;
}

struct Range {
  std::int64_t begin;  ///< a multiple of the tile
  std::int64_t end;
};

/// Keys that any of a block's queries sees.
__device__ Range keys_of_block(const AttentionSize& size, std::int64_t first_query) {
  const std::int64_t begin = max(first_query - size.reach_back, std::int64_t{0});
  const std::int64_t last = min(first_query + warps, size.length) - 1;
  return {begin / tile * tile, min(last + size.reach_ahead + 1, size.keys)};
}

/// Queries that see any of a block's keys.
__device__ Range queries_of_block(const AttentionSize& size, std::int64_t first_key) {
  const std::int64_t begin = max(first_key - size.reach_ahead, std::int64_t{0});
  const std::int64_t last = min(first_key + warps, size.keys) - 1;
  return {begin / tile * tile, min(last + size.reach_back + 1, size.length)};
}

template <class T>
__global__ void attend(AttentionSize size, AttentionForward<T> operands, float scale) {
  auto* own = reinterpret_cast<float*>(dynamic_shared());  // this block's queries, one a warp
  const Work work(size.heads);
  const std::int64_t kv = work.head / (size.heads / size.kv_heads);
  const HeadRows<const T> q(size, operands.q, work.sequence, work.head, size.head_size);
  const HeadRows<const T> k(size, operands.k, work.sequence, kv, size.head_size);
  const HeadRows<const T> v(size, operands.v, work.sequence, kv, size.value_size);
  const HeadRows<T> out(size, operands.out, work.sequence, work.head, size.value_size);
  float* keys = own + warps * q.size;  // a tile of keys, then of values
  float* values = keys + tile * k.padded();
  float* query = own + work.warp * q.size;
  if (work.row < size.length) {
    load_row(query, q, work.row);
  }
  float sums[lane_elements] = {};
  float largest = Largest::neutral;
  float total = 0.0F;
  const Range range = keys_of_block(size, work.first);
  for (std::int64_t first = range.begin; first < range.end; first += tile) {
    __syncthreads();
    load_tile(keys, k, first, size.keys);
    load_tile(values, v, first, size.keys);
    __syncthreads();
    const bool is_seen = sees(size, work.row, first + work.lane);
    const float score =
        is_seen ? scale * dot(query, keys + work.lane * k.padded(), q.size) : Largest::neutral;
    const float tile_largest = fmaxf(largest, reduce_warp(score, Largest{}));
    if (tile_largest == Largest::neutral) {
      continue;  // nothing seen yet: the whole warp agrees
    }
    const float correction = expf(largest - tile_largest);
    const float weight = expf(score - tile_largest);
    total = total * correction + reduce_warp(weight, Sum{});
    for (float& sum : sums) {
      sum *= correction;
    }
    add_weighted(sums, weight, values, v.size);
    largest = tile_largest;
  }
  if (work.row >= size.length) {
    return;
  }
  store(out.at(work.row), sums, total > 0.0F ? 1.0F / total : 0.0F, v.size);
  if (work.lane == 0) {
    operands.lse[blockIdx.y * size.length + work.row] =
        total > 0.0F ? largest + logf(total) : Largest::neutral;
  }
}

/// delta = sum of out * d_out, one warp a row of a head.
template <class T>
__global__ void row_products(AttentionSize size, AttentionBackward<T> operands) {
  const Work work(size.heads);
  if (work.row >= size.length) {
    return;
  }
  const HeadRows<const T> out(size, operands.out, work.sequence, work.head, size.value_size);
  const HeadRows<const T> d_out(size, operands.d_out, work.sequence, work.head, size.value_size);
  float sum = 0.0F;
  for (int i = work.lane; i < out.size; i += warp_size) {
    sum += to_float(out.at(work.row)[i]) * to_float(d_out.at(work.row)[i]);
  }
  sum = reduce_warp(sum, Sum{});
  if (work.lane == 0) {
    operands.delta[blockIdx.y * size.length + work.row] = sum;
  }
}

/// One warp a query: d_q = scale * sum over keys of p (d_out v - delta) k.
template <class T>
__global__ void query_gradients(AttentionSize size, AttentionBackward<T> operands, float scale) {
  auto* own = reinterpret_cast<float*>(dynamic_shared());  // queries and output gradients
  const Work work(size.heads);
  const std::int64_t kv = work.head / (size.heads / size.kv_heads);
  const HeadRows<const T> q(size, operands.q, work.sequence, work.head, size.head_size);
  const HeadRows<const T> k(size, operands.k, work.sequence, kv, size.head_size);
  const HeadRows<const T> v(size, operands.v, work.sequence, kv, size.value_size);
  const HeadRows<const T> d_out(size, operands.d_out, work.sequence, work.head, size.value_size);
  const HeadRows<T> d_q(size, operands.d_q, work.sequence, work.head, size.head_size);
  float* query = own + work.warp * (q.size + v.size);
  float* gradient = query + q.size;
  float* keys = own + warps * (q.size + v.size);
  float* values = keys + tile * k.padded();
  const bool is_real = work.row < size.length;
  if (is_real) {
    load_row(query, q, work.row);
    load_row(gradient, d_out, work.row);
  }
  const std::int64_t statistic = blockIdx.y * size.length + work.row;
  const float lse = is_real ? operands.lse[statistic] : 0.0F;
  const float delta = is_real ? operands.delta[statistic] : 0.0F;
  float sums[lane_elements] = {};
  const Range range = keys_of_block(size, work.first);
  for (std::int64_t first = range.begin; first < range.end; first += tile) {
    __syncthreads();
    load_tile(keys, k, first, size.keys);
    load_tile(values, v, first, size.keys);
    __syncthreads();
    float weight = 0.0F;
    if (sees(size, work.row, first + work.lane)) {
      const float p = expf(scale * dot(query, keys + work.lane * k.padded(), q.size) - lse);
      weight = p * (dot(gradient, values + work.lane * v.padded(), v.size) - delta);
    }
    add_weighted(sums, weight, keys, k.size);
  }
  if (is_real) {
    store(d_q.at(work.row), sums, scale, q.size);
  }
}

/// One warp a key of a key-value head: d_v = sum p d_out, d_k = scale * sum p (d_out v - delta) q,
/// over the queries of every query head of the group.
template <class T>
__global__ void key_value_gradients(AttentionSize size,
                                    AttentionBackward<T> operands,
                                    float scale) {
  auto* own = reinterpret_cast<float*>(dynamic_shared());  // this block's keys and values
  const Work work(size.kv_heads);
  const std::int64_t group = size.heads / size.kv_heads;
  const HeadRows<const T> k(size, operands.k, work.sequence, work.head, size.head_size);
  const HeadRows<const T> v(size, operands.v, work.sequence, work.head, size.value_size);
  const HeadRows<T> d_k(size, operands.d_k, work.sequence, work.head, size.head_size);
  const HeadRows<T> d_v(size, operands.d_v, work.sequence, work.head, size.value_size);
  float* key = own + work.warp * (k.size + v.size);
  float* value = key + k.size;
  float* queries = own + warps * (k.size + v.size);
  float* gradients = queries + tile * k.padded();
  const bool is_real = work.row < size.keys;
  if (is_real) {
    load_row(key, k, work.row);
    load_row(value, v, work.row);
  }
  float d_key[lane_elements] = {};
  float d_value[lane_elements] = {};
  const Range range = queries_of_block(size, work.first);
  for (std::int64_t head = work.head * group; head < (work.head + 1) * group; ++head) {
    const HeadRows<const T> q(size, operands.q, work.sequence, head, size.head_size);
    const HeadRows<const T> d_out(size, operands.d_out, work.sequence, head, size.value_size);
    const std::int64_t statistics = (work.sequence * size.heads + head) * size.length;
    for (std::int64_t first = range.begin; first < range.end; first += tile) {
      __syncthreads();
      load_tile(queries, q, first, size.length);
      load_tile(gradients, d_out, first, size.length);
      __syncthreads();
      float p = 0.0F;
      float weight = 0.0F;
      const std::int64_t query = first + work.lane;
      if (is_real && sees(size, query, work.row)) {
        p = expf(scale * dot(key, queries + work.lane * k.padded(), k.size) -
                 operands.lse[statistics + query]);
        weight = p * (dot(value, gradients + work.lane * v.padded(), v.size) -
                      operands.delta[statistics + query]);
      }
      add_weighted(d_value, p, gradients, v.size);
      add_weighted(d_key, weight, queries, k.size);
    }
  }
  if (is_real) {
    store(d_k.at(work.row), d_key, scale, k.size);
    store(d_v.at(work.row), d_value, 1.0F, v.size);
  }
}

/// Shared bytes for `own` elements a warp and a tile of each side.
std::size_t shared_bytes(std::int64_t own, std::int64_t head_size, std::int64_t value_size) {
  return static_cast<std::size_t>(warps * own + tile * (head_size + 1 + value_size + 1)) *
         sizeof(float);
}

dim3 blocks_of(const AttentionSize& size, std::int64_t positions, std::int64_t heads) {
  return {static_cast<unsigned>(ceil_div<std::int64_t>(positions, warps)),
          static_cast<unsigned>(size.batch * heads)};
}

float score_scale(const AttentionSize& size) {
  return 1.0F / sqrtf(static_cast<float>(size.head_size));
}

template <class T>
cudaError_t prepare() {
  constexpr std::int64_t size = largest_own_head_size;
  const auto most = static_cast<int>(shared_bytes(2 * size, size, size));
  for (const void* kernel : {reinterpret_cast<const void*>(&attend<T>),
                             reinterpret_cast<const void*>(&query_gradients<T>),
                             reinterpret_cast<const void*>(&key_value_gradients<T>)}) {
    const cudaError_t status =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most);
    if (status != cudaSuccess) {
      return status;
    }
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t prepare_attention() {
  const cudaError_t status = prepare<float>();
  return status == cudaSuccess ? prepare<__nv_bfloat16>() : status;
}

template <class T>
void launch_attention_forward(cudaStream_t stream,
                              const AttentionSize& size,
                              const AttentionForward<T>& operands) {
  launch(stream,
         {blocks_of(size, size.length, size.heads),
          warps * warp_size,
          shared_bytes(size.head_size, size.head_size, size.value_size)},
         attend<T>,
         size,
         operands,
         score_scale(size));
}

template <class T>
void launch_attention_backward(cudaStream_t stream,
                               const AttentionSize& size,
                               const AttentionBackward<T>& operands) {
  const dim3 query_blocks = blocks_of(size, size.length, size.heads);
  const dim3 key_blocks = blocks_of(size, size.keys, size.kv_heads);
  const std::size_t shared =
      shared_bytes(size.head_size + size.value_size, size.head_size, size.value_size);
  const float scale = score_scale(size);
  launch(stream, {query_blocks, warps * warp_size}, row_products<T>, size, operands);
  launch(
      stream, {query_blocks, warps * warp_size, shared}, query_gradients<T>, size, operands, scale);
  launch(stream,
         {key_blocks, warps * warp_size, shared},
         key_value_gradients<T>,
         size,
         operands,
         scale);
}

template void launch_attention_forward(cudaStream_t,
                                       const AttentionSize&,
                                       const AttentionForward<float>&);
template void launch_attention_forward(cudaStream_t,
                                       const AttentionSize&,
                                       const AttentionForward<__nv_bfloat16>&);
template void launch_attention_backward(cudaStream_t,
                                        const AttentionSize&,
                                        const AttentionBackward<float>&);
template void launch_attention_backward(cudaStream_t,
                                        const AttentionSize&,
                                        const AttentionBackward<__nv_bfloat16>&);

}  // namespace forerun::cuda
