// Starts the rotary position kernel.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

enum class Rotation { forward, backward };

/// Packed rows [q heads|k heads|v heads]; row r is at position (first + r) / batch.
struct RopeSize {
  DataType type;
  std::int64_t tokens;
  std::int64_t batch;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_size;
  std::int64_t rotary_size;  ///< the first elements of a head, which are turned
  std::int64_t first;
};

/// Rotates element i of each q and k head with element i + rotary_size / 2 by the angle
/// position * theta^(-2 i / rotary_size) (Su et al., arXiv 2104.09864, eq. 34, in halves), in
/// place; backward rotates by the negative angle.
void launch_rope(
    cudaStream_t stream, const RopeSize& size, void* qkv, double theta, Rotation rotation);

}  // namespace forerun::cuda
