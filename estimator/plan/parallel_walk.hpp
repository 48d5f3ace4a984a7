// A search on the cores of this process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "estimator/plan/layout_search.hpp"

namespace forerun {

/// Told after each of its layouts, on the calling thread alone, how many layouts and candidates all
/// threads have gone through.
using WalkProgress = std::function<void(std::int64_t layouts, std::int64_t candidates)>;

/// Candidates whose busiest stage alone takes longer than `give_up_at` are not priced. With `kept`
/// above zero the limit falls while the walk goes on, to the time of the `kept`-th fastest shape
/// that was found: what is counted as given up then depends on the order, the `kept` fastest do
/// not.
struct WalkSettings {
  Seconds give_up_at = Seconds::infinite();
  std::size_t kept = 0;
  std::size_t threads = 1;  ///< at most
  WalkProgress progress = {};
  ThreadTables* tables = nullptr;  ///< of the subject; null: tables of this walk's own
};

/// Walks the layouts; the same result for any number of threads (but see `kept`). Throws what a
/// walk throws.
[[nodiscard]] SearchResult walk_layouts(const PlanSubject& subject,
                                        const SearchSpace& space,
                                        std::span<const ParallelLayout> layouts,
                                        const WalkSettings& settings);

/// As many as there are cores that this process may run on, at most eight: each has tables of its
/// own.
[[nodiscard]] std::size_t search_threads();

}  // namespace forerun
