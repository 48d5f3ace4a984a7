// How slow a layout may be before a search gives it up.
#pragma once

#include <cstddef>

#include "estimator/plan/plan_subject.hpp"
#include "estimator/plan/search_space.hpp"
#include "estimator/plan/walk_tables.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Walks a thin slice of the space (no recomputation and all, optimizer states sharded, everything
/// overlapped) and returns the step time of the `count`th best shape; infinite when fewer fit. The
/// same for any number of threads. `tables`: as in WalkSettings.
[[nodiscard]] Seconds bound_of(const PlanSubject& subject,
                               const SearchSpace& space,
                               std::size_t count,
                               std::size_t threads = 1,
                               ThreadTables* tables = nullptr);

}  // namespace forerun
