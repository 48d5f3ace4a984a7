// One start of our own kernels, and the functions that take its operands by position, as
// kernels/operands.hpp lists them: one for each kind of shape.
#pragma once

#include <cstdint>
#include <span>

#include <cuda_runtime_api.h>

#include "kernels/cuda/scratch.hpp"
#include "kernels/kernel_key.hpp"
#include "kernels/operands.hpp"

namespace forerun::cuda {

struct OwnCall {
  const KernelKey& key;
  std::span<void* const> at;
  const KernelScalars& scalars;
  cudaStream_t stream;
  Scratch& scratch;

  [[nodiscard]] float* floats(std::size_t operand) const {
    return static_cast<float*>(at[operand]);
  }

  [[nodiscard]] std::int32_t* integers(std::size_t operand) const {
    return static_cast<std::int32_t*>(at[operand]);
  }

  /// Scratch of `bytes` as floats; one at a time.
  [[nodiscard]] float* scratch_floats(std::size_t bytes) const {
    return static_cast<float*>(scratch.at_least(bytes));
  }
};

/// Throws std::invalid_argument: the operation and the shape do not belong together.
[[noreturn]] void fail_mismatch(const KernelKey& key);

[[noreturn]] void start(const OwnCall& call, const GemmShape& shape);
[[noreturn]] void start(const OwnCall& call, const DeltaShape& shape);
[[noreturn]] void start(const OwnCall& call, const GroupedRowsShape& shape);
[[noreturn]] void start(const OwnCall& call, const ColumnsShape& shape);
[[noreturn]] void start(const OwnCall& call, const LatentHeadsShape& shape);
void start(const OwnCall& call, const GroupedGemmShape& shape);
void start(const OwnCall& call, const AttentionKeyShape& shape);
void start(const OwnCall& call, const DecodeShape& shape);
void start(const OwnCall& call, const RowsShape& shape);
void start(const OwnCall& call, const HeadsShape& shape);
void start(const OwnCall& call, const TableShape& shape);
void start(const OwnCall& call, const RouterShape& shape);
void start(const OwnCall& call, const PermuteShape& shape);
void start(const OwnCall& call, const ConvShape& shape);
void start(const OwnCall& call, const SsdShape& shape);
void start(const OwnCall& call, const ScanShape& shape);
void start(const OwnCall& call, const FlatShape& shape);

}  // namespace forerun::cuda
