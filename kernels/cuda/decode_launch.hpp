// Starts decode attention: one query of each sequence against its cache.
#pragma once

#include <cstddef>
#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// The largest head (MLA's compressed cache, 512 + 64, and room) that a warp's registers hold.
inline constexpr std::int64_t largest_decode_head = 640;

/// Sizes as in DecodeShape; bf16 or fp32 as `type`.
struct DecodeSize {
  DataType type;
  std::int64_t batch;
  std::int64_t context;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_size;
  std::int64_t value_size;
  std::int64_t value_stride;  ///< elements from one value to the next
};

struct DecodeOperands {
  const void* q;
  const void* k_cache;
  const void* v_cache;  ///< the same where values are the fronts of keys
  void* out;
  float* scratch;  ///< decode_scratch_bytes
};

[[nodiscard]] std::size_t decode_scratch_bytes(const DecodeSize& size);

void launch_decode_attention(cudaStream_t stream,
                             const DecodeSize& size,
                             const DecodeOperands& operands);

}  // namespace forerun::cuda
