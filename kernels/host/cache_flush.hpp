// Evicts what earlier kernels left in the caches.
#pragma once

#include <cstdint>
#include <vector>

#include "units/quantity.hpp"

namespace forerun::host {

class CacheFlush {
 public:
  /// Streams over twice the cache, at most 128 MiB: beyond that a flush costs more than it tells.
  explicit CacheFlush(Bytes last_level_cache);

  /// Reads and writes every line of the buffer, by all threads.
  void run();

  [[nodiscard]] Bytes size() const;

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace forerun::host
