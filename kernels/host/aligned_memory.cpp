// Aligned allocation and growing scratch.
#include "kernels/host/aligned_memory.hpp"

#include <algorithm>
#include <new>

namespace forerun::host {

void* allocate_aligned(std::size_t bytes) {
  return ::operator new (std::max<std::size_t>(bytes, 1), std::align_val_t{cache_line});
}

void release_aligned(void* memory) noexcept {
  ::operator delete (memory, std::align_val_t{cache_line});
}

float* FloatScratch::at_least(std::int64_t count) {
  if (count > capacity_) {
    memory_.reset();
    capacity_ = 0;
    memory_.reset(
        static_cast<float*>(allocate_aligned(static_cast<std::size_t>(count) * sizeof(float))));
    capacity_ = count;
  }
  return memory_.get();
}

}  // namespace forerun::host
