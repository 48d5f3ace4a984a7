// Device memory that grows as kernels ask for it.
#pragma once

#include <cstddef>

#include "units/integer.hpp"

namespace forerun::cuda {

/// In bytes, of what cudaMalloc gives (CUDA C++ Programming Guide, "Device Memory Accesses").
inline constexpr std::size_t cuda_malloc_alignment = 256;

/// `bytes` and what is missing to the next address of that alignment.
[[nodiscard]] constexpr std::size_t aligned(std::size_t bytes) {
  return rounded_up(bytes, cuda_malloc_alignment);
}

/// Device memory that only grows: workspaces and scratch of the kernels. Not shared by streams.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Scratch(Scratch&&) = delete;
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch();

  /// At least `bytes`, aligned as cudaMalloc's. Growing waits for the device and loses the
  /// contents.
  [[nodiscard]] void* at_least(std::size_t bytes);

 private:
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace forerun::cuda
