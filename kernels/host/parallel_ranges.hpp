// One way to spread work over threads: contiguous ranges, cut the same way every time.
#pragma once

#include <cstdint>
#include <vector>

#include <omp.h>

namespace forerun::host {

/// Items [first, last) for thread `thread`.
struct ThreadRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  int thread = 0;
};

/// Below this many elements a kernel is over before a second thread has woken up (a few us).
inline constexpr std::int64_t least_parallel_elements = 16384;

/// Calls `body(ThreadRange)` once per thread for `items` items of `elements_per_item` elements.
/// The same item goes to the same thread in every kernel, and memory stays near it.
template <class Body>
void parallel_ranges(std::int64_t items, std::int64_t elements_per_item, const Body& body) {
  const bool worth_it = items * elements_per_item >= least_parallel_elements;
#pragma omp parallel if (worth_it)
  {
    const std::int64_t threads = omp_get_num_threads();
    const int thread = omp_get_thread_num();
    const ThreadRange range{items * thread / threads, items * (thread + 1) / threads, thread};
    if (range.first < range.last) {
      body(range);
    }
  }
}

/// Column sums over rows that several threads walk: one partial row a thread, added in the order
/// of the threads so that results repeat.
class ColumnSums {
 public:
  explicit ColumnSums(std::int64_t columns)
      : columns_(columns),
        partial_(static_cast<std::size_t>(columns * omp_get_max_threads()), 0.0F) {}

  [[nodiscard]] float* of(int thread) { return partial_.data() + thread * columns_; }

  void add_to(float* target) const {
    const auto threads = static_cast<std::int64_t>(partial_.size()) / columns_;
    for (std::int64_t thread = 0; thread < threads; ++thread) {
      const float* row = partial_.data() + thread * columns_;
#pragma omp simd
      for (std::int64_t i = 0; i < columns_; ++i) {
        target[i] += row[i];
      }
    }
  }

 private:
  std::int64_t columns_;
  std::vector<float> partial_;
};

}  // namespace forerun::host
