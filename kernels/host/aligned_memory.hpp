// Memory on cache-line boundaries: what the device lends, and scratch that only grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace forerun::host {

inline constexpr std::size_t cache_line = 64;  ///< bytes, on every x86-64

/// At least one byte, 64-byte aligned, not initialised. Throws std::bad_alloc.
[[nodiscard]] void* allocate_aligned(std::size_t bytes);
void release_aligned(void* memory) noexcept;

/// fp32 scratch that keeps its memory from call to call and grows when more is asked for.
class FloatScratch {
 public:
  /// At least `count` floats with unspecified contents; earlier pointers die when it grows.
  [[nodiscard]] float* at_least(std::int64_t count);

 private:
  struct Release {
    void operator()(float* memory) const noexcept { release_aligned(memory); }
  };

  std::unique_ptr<float, Release> memory_;
  std::int64_t capacity_ = 0;
};

}  // namespace forerun::host
