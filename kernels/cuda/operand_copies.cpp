#include "kernels/cuda/operand_copies.hpp"

#include <algorithm>

#include "kernels/cuda/check.hpp"

namespace forerun::cuda {

std::size_t OperandSet::total_bytes() const {
  std::size_t total = 0;
  for (const std::size_t size : bytes) {
    total += aligned(size);
  }
  return total;
}

int copies_beyond(std::size_t cache_bytes, std::size_t operand_bytes, int runs) {
  const std::size_t others = 2 * cache_bytes / std::max<std::size_t>(operand_bytes, 1) + 1;
  return static_cast<int>(std::min(others + 1, static_cast<std::size_t>(std::max(runs, 1))));
}

OperandCopies::OperandCopies(cudaStream_t stream,
                             const OperandSet& originals,
                             int count,
                             Scratch& memory) {
  sets_.emplace_back(originals.operands.begin(), originals.operands.end());
  if (count <= 1) {
    return;
  }
  auto* next = static_cast<std::byte*>(
      memory.at_least(static_cast<std::size_t>(count - 1) * originals.total_bytes()));
  for (int copy = 1; copy < count; ++copy) {
    std::vector<void*>& set = sets_.emplace_back();
    for (std::size_t i = 0; i < originals.operands.size(); ++i) {
      FORERUN_CUDA_CHECK(cudaMemcpyAsync(
          next, originals.operands[i], originals.bytes[i], cudaMemcpyDeviceToDevice, stream));
      set.push_back(next);
      next += aligned(originals.bytes[i]);
    }
  }
}

}  // namespace forerun::cuda
