// Rows gathered from a table and gradients scattered into it.
#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/embedding_launch.hpp"

namespace forerun::cuda {

namespace {

/// One block a token; `columns` counts packs.
template <class T, int Width>
__global__ void gather(const std::int32_t* tokens,
                       const Pack<T, Width>* table,
                       Pack<T, Width>* y,
                       TableSize size,
                       std::int64_t columns) {
  const std::int64_t token = blockIdx.x;
  const std::int64_t entry = tokens[token] - size.first;
  const bool is_here = entry >= 0 && entry < size.table_rows;
  for (std::int64_t i = threadIdx.x; i < columns; i += blockDim.x) {
    Pack<T, Width> pack;
    if (is_here) {
      pack = table[entry * columns + i];
    } else {
      for (int k = 0; k < Width; ++k) {
        pack.values[k] = from_float<T>(0.0F);
      }
    }
    y[token * columns + i] = pack;
  }
}

template <class T>
__global__ void scatter(const std::int32_t* tokens, const T* dy, float* d_table, TableSize size) {
  const std::int64_t token = blockIdx.x;
  const std::int64_t entry = tokens[token] - size.first;
  if (entry < 0 || entry >= size.table_rows) {
    return;
  }
  for (std::int64_t i = threadIdx.x; i < size.columns; i += blockDim.x) {
    atomicAdd(d_table + entry * size.columns + i, to_float(dy[token * size.columns + i]));
  }
}

template <class T>
__global__ void add_positions(const T* table, T* x, TableSize size) {
  const std::int64_t row = blockIdx.x;
  const T* entry = table + (size.first + row) / size.batch * size.columns;
  T* target = x + row * size.columns;
  for (std::int64_t i = threadIdx.x; i < size.columns; i += blockDim.x) {
    target[i] = from_float<T>(to_float(target[i]) + to_float(entry[i]));
  }
}

/// One block a position: the rows of a position are neighbours.
template <class T>
__global__ void sum_positions(const T* dx, float* d_table, TableSize size) {
  const std::int64_t position = size.first / size.batch + blockIdx.x;
  const std::int64_t begin = max(position * size.batch - size.first, std::int64_t{0});
  const std::int64_t end = min((position + 1) * size.batch - size.first, size.tokens);
  for (std::int64_t i = threadIdx.x; i < size.columns; i += blockDim.x) {
    float sum = 0.0F;
    for (std::int64_t row = begin; row < end; ++row) {
      sum += to_float(dx[row * size.columns + i]);
    }
    d_table[position * size.columns + i] += sum;
  }
}

template <class T, int Width>
void start_gather(cudaStream_t stream,
                  const TableSize& size,
                  const std::int32_t* tokens,
                  const void* table,
                  void* y) {
  launch(stream,
         {static_cast<unsigned>(size.tokens), block_threads},
         gather<T, Width>,
         tokens,
         static_cast<const Pack<T, Width>*>(table),
         static_cast<Pack<T, Width>*>(y),
         size,
         size.columns / Width);
}

template <class T>
void start_gather(cudaStream_t stream,
                  const TableSize& size,
                  const std::int32_t* tokens,
                  const void* table,
                  void* y) {
  if (takes_packs<T>(size.columns, {table, y})) {
    start_gather<T, wide<T>>(stream, size, tokens, table, y);
  } else {
    start_gather<T, 1>(stream, size, tokens, table, y);
  }
}

unsigned position_blocks(const TableSize& size) {
  const std::int64_t last = (size.first + size.tokens - 1) / size.batch;
  return static_cast<unsigned>(last - size.first / size.batch + 1);
}

}  // namespace

void launch_embedding_forward(cudaStream_t stream,
                              const TableSize& size,
                              const std::int32_t* tokens,
                              const void* table,
                              void* y) {
  if (size.type == DataType::bf16) {
    start_gather<__nv_bfloat16>(stream, size, tokens, table, y);
  } else {
    start_gather<float>(stream, size, tokens, table, y);
  }
}

void launch_embedding_backward(cudaStream_t stream,
                               const TableSize& size,
                               const std::int32_t* tokens,
                               const void* dy,
                               float* d_table) {
  const auto blocks = static_cast<unsigned>(size.tokens);
  if (size.type == DataType::bf16) {
    launch(stream,
           {blocks, block_threads},
           scatter<__nv_bfloat16>,
           tokens,
           static_cast<const __nv_bfloat16*>(dy),
           d_table,
           size);
  } else {
    launch(stream,
           {blocks, block_threads},
           scatter<float>,
           tokens,
           static_cast<const float*>(dy),
           d_table,
           size);
  }
}

void launch_position_forward(cudaStream_t stream,
                             const TableSize& size,
                             const void* table,
                             void* x) {
  const auto blocks = static_cast<unsigned>(size.tokens);
  if (size.type == DataType::bf16) {
    launch(stream,
           {blocks, block_threads},
           add_positions<__nv_bfloat16>,
           static_cast<const __nv_bfloat16*>(table),
           static_cast<__nv_bfloat16*>(x),
           size);
  } else {
    launch(stream,
           {blocks, block_threads},
           add_positions<float>,
           static_cast<const float*>(table),
           static_cast<float*>(x),
           size);
  }
}

void launch_position_backward(cudaStream_t stream,
                              const TableSize& size,
                              const void* dx,
                              float* d_table) {
  const unsigned blocks = position_blocks(size);
  if (size.type == DataType::bf16) {
    launch(stream,
           {blocks, block_threads},
           sum_positions<__nv_bfloat16>,
           static_cast<const __nv_bfloat16*>(dx),
           d_table,
           size);
  } else {
    launch(stream,
           {blocks, block_threads},
           sum_positions<float>,
           static_cast<const float*>(dx),
           d_table,
           size);
  }
}

}  // namespace forerun::cuda
