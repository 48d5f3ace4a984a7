// Copies of a kernel's operands, so that runs in turn find none of theirs in the cache.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <cuda_runtime_api.h>

#include "kernels/cuda/scratch.hpp"

namespace forerun::cuda {

/// How many sets of operands of `operand_bytes` in all must take turns until the first is out of a
/// cache of `cache_bytes`: the others are twice as large as it. No more than `runs`.
[[nodiscard]] int copies_beyond(std::size_t cache_bytes, std::size_t operand_bytes, int runs);

/// What a kernel works on.
struct OperandSet {
  std::span<void* const> operands;
  std::span<const std::size_t> bytes;  ///< of each

  [[nodiscard]] std::size_t total_bytes() const;
};

class OperandCopies {
 public:
  /// `count` sets, of which the first is `originals` itself; the others are copied to `memory` on
  /// `stream` now.
  OperandCopies(cudaStream_t stream, const OperandSet& originals, int count, Scratch& memory);

  [[nodiscard]] int count() const { return static_cast<int>(sets_.size()); }

  /// The operands of run `run`: the sets in turn.
  [[nodiscard]] std::span<void* const> of_run(int run) const {
    return sets_[static_cast<std::size_t>(run) % sets_.size()];
  }

 private:
  std::vector<std::vector<void*>> sets_;
};

}  // namespace forerun::cuda
