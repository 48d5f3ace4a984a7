// Evicts what earlier kernels left in the caches.
#include "kernels/host/cache_flush.hpp"

#include <algorithm>

#include "kernels/host/parallel_ranges.hpp"
#include "units/unit.hpp"

namespace forerun::host {

CacheFlush::CacheFlush(Bytes last_level_cache) {
  const Bytes size = std::min(2.0 * last_level_cache, 128.0 * unit::mebibyte);
  words_.resize(static_cast<std::size_t>(size.in(unit::byte)) / sizeof(std::uint64_t));
}

void CacheFlush::run() {
  const auto count = static_cast<std::int64_t>(words_.size());
  parallel_ranges(count, 1, [this](const ThreadRange& range) {
    std::uint64_t* words = words_.data();
#pragma omp simd
    for (std::int64_t i = range.first; i < range.last; ++i) {
      words[i] += 1;
    }
  });
}

Bytes CacheFlush::size() const {
  return static_cast<double>(words_.size() * sizeof(std::uint64_t)) * unit::byte;
}

}  // namespace forerun::host
