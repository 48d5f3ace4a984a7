// fp32 self-attention by blocks of 32 keys or queries with a running softmax, one warp a row.
#include "kernels/cuda/attention_launch.hpp"
#include "kernels/cuda/device_code.cuh"

namespace forerun::cuda {

namespace {

constexpr int tile = warp_size;  ///< rows of the other side in shared memory: one a lane
constexpr int warps = 8;         ///< own rows of a block: one a warp
constexpr int lane_elements = static_cast<int>(largest_fp32_head_size) / warp_size;

/// Where heads lie, computed once a thread.
struct Layout {
  std::int64_t qkv_stride;  ///< between positions of one sequence
  std::int64_t out_stride;
  const AttentionSize& size;

  __device__ explicit Layout(const AttentionSize& s)
      : qkv_stride(s.batch * (s.heads + 2 * s.kv_heads) * s.head_size),
        out_stride(s.batch * s.heads * s.head_size),
        size(s) {}

  /// First position of packed head `index` (q heads, then k heads, then v heads).
  __device__ std::int64_t packed(std::int64_t sequence, std::int64_t index) const {
    return (sequence * (size.heads + 2 * size.kv_heads) + index) * size.head_size;
  }

  __device__ std::int64_t out(std::int64_t sequence, std::int64_t head) const {
    return (sequence * size.heads + head) * size.head_size;
  }

  __device__ std::int64_t kv_head(std::int64_t head) const {
    return head / (size.heads / size.kv_heads);
  }
};

/// Rows in shared memory are one element longer, so that 32 lanes reading a column hit 32 banks.
__device__ int padded(const AttentionSize& size) {
  return static_cast<int>(size.head_size) + 1;
}

/// Loads `tile` rows from position `first` on; rows beyond the sequence become zero.
__device__ void load_tile(float* target,
                          const float* head,
                          std::int64_t stride,
                          std::int64_t first,
                          const AttentionSize& size) {
  const auto width = static_cast<int>(size.head_size);
  for (int i = static_cast<int>(threadIdx.x); i < tile * width; i += static_cast<int>(blockDim.x)) {
    const int row = i / width;
    const int column = i % width;
    const bool is_real = first + row < size.length;
    target[row * padded(size) + column] = is_real ? head[(first + row) * stride + column] : 0.0F;
  }
}

__device__ float dot(const float* a, const float* b, const AttentionSize& size) {
  float sum = 0.0F;
  for (int i = 0; i < static_cast<int>(size.head_size); ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

/// sums[e] += sum over the tile's rows r of weight(lane r) * rows[r][lane + 32 e].
__device__ void add_weighted(float (&sums)[lane_elements],
                             float weight,
                             const float* rows,
                             const AttentionSize& size) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  for (int row = 0; row < tile; ++row) {
    const float share = __shfl_sync(0xffffffffU, weight, row);
#pragma unroll
    for (int e = 0; e < lane_elements; ++e) {
      const int column = lane + e * warp_size;
      if (column < size.head_size) {
        sums[e] += share * rows[row * padded(size) + column];
      }
    }
  }
}

__device__ void store(float* target,
                      const float (&sums)[lane_elements],
                      float factor,
                      const AttentionSize& size) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
#pragma unroll
  for (int e = 0; e < lane_elements; ++e) {
    const int column = lane + e * warp_size;
    if (column < size.head_size) {
      target[column] = sums[e] * factor;
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
  return query < size.length && key < size.length && (size.mask == CausalMask::no || key <= query);
}

/// Positions of keys that a block of queries ending at `last` needs.
__device__ std::int64_t keys_until(const AttentionSize& size, std::int64_t last) {
  return size.mask == CausalMask::yes ? min(last + 1, size.length) : size.length;
}

__global__ void attend(AttentionSize size, AttentionForward operands, float scale) {
  extern __shared__ float shared[];
  float* own = shared;                         // this block's queries, one a warp
  float* keys = own + warps * size.head_size;  // a tile of keys, then of values
  float* values = keys + tile * padded(size);
  const Layout layout(size);
  const Work work(size.heads);
  const std::int64_t kv = layout.kv_head(work.head);
  const float* q = operands.qkv + layout.packed(work.sequence, work.head);
  const float* k = operands.qkv + layout.packed(work.sequence, size.heads + kv);
  const float* v = operands.qkv + layout.packed(work.sequence, size.heads + size.kv_heads + kv);
  float* query = own + work.warp * size.head_size;
  for (std::int64_t i = work.lane; i < size.head_size && work.row < size.length; i += warp_size) {
    query[i] = q[work.row * layout.qkv_stride + i];
  }
  float sums[lane_elements] = {};
  float largest = Largest::neutral;
  float total = 0.0F;
  const std::int64_t until = keys_until(size, work.first + warps - 1);
  for (std::int64_t first = 0; first < until; first += tile) {
    __syncthreads();
    load_tile(keys, k, layout.qkv_stride, first, size);
    load_tile(values, v, layout.qkv_stride, first, size);
    __syncthreads();
    const bool is_seen = sees(size, work.row, first + work.lane);
    const float score =
        is_seen ? scale * dot(query, keys + work.lane * padded(size), size) : Largest::neutral;
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
    add_weighted(sums, weight, values, size);
    largest = tile_largest;
  }
  if (work.row >= size.length) {
    return;
  }
  store(operands.out + layout.out(work.sequence, work.head) + work.row * layout.out_stride,
        sums,
        1.0F / total,
        size);
  if (work.lane == 0) {
    operands.lse[blockIdx.y * size.length + work.row] = largest + logf(total);
  }
}

/// delta = sum of out * d_out, one warp a row of a head.
__global__ void row_products(AttentionSize size, AttentionBackward operands) {
  const Layout layout(size);
  const Work work(size.heads);
  if (work.row >= size.length) {
    return;
  }
  const std::int64_t at = layout.out(work.sequence, work.head) + work.row * layout.out_stride;
  float sum = 0.0F;
  for (std::int64_t i = work.lane; i < size.head_size; i += warp_size) {
    sum += operands.out[at + i] * operands.d_out[at + i];
  }
  sum = reduce_warp(sum, Sum{});
  if (work.lane == 0) {
    operands.delta[blockIdx.y * size.length + work.row] = sum;
  }
}

/// One warp a query: d_q = scale * sum over keys of p (d_out v - delta) k.
__global__ void query_gradients(AttentionSize size, AttentionBackward operands, float scale) {
  extern __shared__ float shared[];
  float* own = shared;  // this block's queries and output gradients
  float* keys = own + 2 * warps * size.head_size;
  float* values = keys + tile * padded(size);
  const Layout layout(size);
  const Work work(size.heads);
  const std::int64_t kv = layout.kv_head(work.head);
  const std::int64_t q_at = layout.packed(work.sequence, work.head);
  const float* k = operands.qkv + layout.packed(work.sequence, size.heads + kv);
  const float* v = operands.qkv + layout.packed(work.sequence, size.heads + size.kv_heads + kv);
  const float* d_out = operands.d_out + layout.out(work.sequence, work.head);
  float* query = own + work.warp * size.head_size;
  float* gradient = own + (warps + work.warp) * size.head_size;
  const bool is_real = work.row < size.length;
  for (std::int64_t i = work.lane; i < size.head_size && is_real; i += warp_size) {
    query[i] = operands.qkv[q_at + work.row * layout.qkv_stride + i];
    gradient[i] = d_out[work.row * layout.out_stride + i];
  }
  const std::int64_t statistic = blockIdx.y * size.length + work.row;
  const float lse = is_real ? operands.lse[statistic] : 0.0F;
  const float delta = is_real ? operands.delta[statistic] : 0.0F;
  float sums[lane_elements] = {};
  const std::int64_t until = keys_until(size, work.first + warps - 1);
  for (std::int64_t first = 0; first < until; first += tile) {
    __syncthreads();
    load_tile(keys, k, layout.qkv_stride, first, size);
    load_tile(values, v, layout.qkv_stride, first, size);
    __syncthreads();
    float weight = 0.0F;
    if (sees(size, work.row, first + work.lane)) {
      const float p = expf(scale * dot(query, keys + work.lane * padded(size), size) - lse);
      weight = p * (dot(gradient, values + work.lane * padded(size), size) - delta);
    }
    add_weighted(sums, weight, keys, size);
  }
  if (is_real) {
    store(operands.d_qkv + q_at + work.row * layout.qkv_stride, sums, scale, size);
  }
}

/// One warp a key of a key-value head: d_v = sum p d_out, d_k = scale * sum p (d_out v - delta) q,
/// over the queries of every query head of the group.
__global__ void key_value_gradients(AttentionSize size, AttentionBackward operands, float scale) {
  extern __shared__ float shared[];
  float* own = shared;  // this block's keys and values
  float* queries = own + 2 * warps * size.head_size;
  float* gradients = queries + tile * padded(size);
  const Layout layout(size);
  const Work work(size.kv_heads);
  const std::int64_t group = size.heads / size.kv_heads;
  const std::int64_t k_at = layout.packed(work.sequence, size.heads + work.head);
  const std::int64_t v_at = layout.packed(work.sequence, size.heads + size.kv_heads + work.head);
  float* key = own + work.warp * size.head_size;
  float* value = own + (warps + work.warp) * size.head_size;
  const bool is_real = work.row < size.length;
  for (std::int64_t i = work.lane; i < size.head_size && is_real; i += warp_size) {
    key[i] = operands.qkv[k_at + work.row * layout.qkv_stride + i];
    value[i] = operands.qkv[v_at + work.row * layout.qkv_stride + i];
  }
  float d_key[lane_elements] = {};
  float d_value[lane_elements] = {};
  const std::int64_t begin = size.mask == CausalMask::yes ? work.first / tile * tile : 0;
  for (std::int64_t head = work.head * group; head < (work.head + 1) * group; ++head) {
    const float* q = operands.qkv + layout.packed(work.sequence, head);
    const float* d_out = operands.d_out + layout.out(work.sequence, head);
    const std::int64_t statistics = (work.sequence * size.heads + head) * size.length;
    for (std::int64_t first = begin; first < size.length; first += tile) {
      __syncthreads();
      load_tile(queries, q, layout.qkv_stride, first, size);
      load_tile(gradients, d_out, layout.out_stride, first, size);
      __syncthreads();
      float p = 0.0F;
      float weight = 0.0F;
      const std::int64_t query = first + work.lane;
      if (is_real && sees(size, query, work.row)) {
        p = expf(scale * dot(key, queries + work.lane * padded(size), size) -
                 operands.lse[statistics + query]);
        weight = p * (dot(value, gradients + work.lane * padded(size), size) -
                      operands.delta[statistics + query]);
      }
      add_weighted(d_value, p, gradients, size);
      add_weighted(d_key, weight, queries, size);
    }
  }
  if (is_real) {
    store(operands.d_qkv + k_at + work.row * layout.qkv_stride, d_key, scale, size);
    store(operands.d_qkv + v_at + work.row * layout.qkv_stride, d_value, 1.0F, size);
  }
}

/// Shared bytes for `own` rows a warp and two tiles.
std::size_t shared_bytes(int own, std::int64_t head_size) {
  return static_cast<std::size_t>(own * warps * head_size + 2 * tile * (head_size + 1)) *
         sizeof(float);
}

dim3 blocks_of(const AttentionSize& size, std::int64_t heads) {
  return {static_cast<unsigned>((size.length + warps - 1) / warps),
          static_cast<unsigned>(size.batch * heads)};
}

float score_scale(const AttentionSize& size) {
  return 1.0F / sqrtf(static_cast<float>(size.head_size));
}

}  // namespace

cudaError_t prepare_attention() {
  const auto most = static_cast<int>(shared_bytes(2, largest_fp32_head_size));
  for (const void* kernel : {reinterpret_cast<const void*>(&attend),
                             reinterpret_cast<const void*>(&query_gradients),
                             reinterpret_cast<const void*>(&key_value_gradients)}) {
    const cudaError_t status =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most);
    if (status != cudaSuccess) {
      return status;
    }
  }
  return cudaSuccess;
}

void launch_attention_forward(cudaStream_t stream,
                              const AttentionSize& size,
                              const AttentionForward& operands) {
  attend<<<blocks_of(size, size.heads),
           warps * warp_size,
           shared_bytes(1, size.head_size),
           stream>>>(size, operands, score_scale(size));
}

void launch_attention_backward(cudaStream_t stream,
                               const AttentionSize& size,
                               const AttentionBackward& operands) {
  const dim3 query_blocks = blocks_of(size, size.heads);
  const std::size_t shared = shared_bytes(2, size.head_size);
  const float scale = score_scale(size);
  row_products<<<query_blocks, warps * warp_size, 0, stream>>>(size, operands);
  query_gradients<<<query_blocks, warps * warp_size, shared, stream>>>(size, operands, scale);
  key_value_gradients<<<blocks_of(size, size.kv_heads), warps * warp_size, shared, stream>>>(
      size, operands, scale);
}

}  // namespace forerun::cuda
