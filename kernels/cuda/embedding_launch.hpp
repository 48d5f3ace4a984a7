// Starts the table look-ups: token embedding and learned positions.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// `first`: the vocabulary row of the table's first row, or the token row of x's first row.
struct TableSize {
  DataType type;
  std::int64_t tokens;
  std::int64_t batch;
  std::int64_t columns;
  std::int64_t table_rows;
  std::int64_t first;
};

/// y[row] = table[token - first]; zero for a token that is not in the table.
void launch_embedding_forward(cudaStream_t stream,
                              const TableSize& size,
                              const std::int32_t* tokens,
                              const void* table,
                              void* y);

/// d_table[token - first] += dy[row]; atomically, so that equal tokens add up in any order.
void launch_embedding_backward(cudaStream_t stream,
                               const TableSize& size,
                               const std::int32_t* tokens,
                               const void* dy,
                               float* d_table);

/// x[row] += table[(first + row) / batch].
void launch_position_forward(cudaStream_t stream,
                             const TableSize& size,
                             const void* table,
                             void* x);

/// d_table[(first + row) / batch] += dx[row], in a fixed order.
void launch_position_backward(cudaStream_t stream,
                              const TableSize& size,
                              const void* dx,
                              float* d_table);

}  // namespace forerun::cuda
