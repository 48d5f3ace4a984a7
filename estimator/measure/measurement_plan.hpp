// Which keys a measurement takes: those of the work lists of the jobs it is given, dearest first.
#pragma once

#include <vector>

#include "comm/process_grid.hpp"
#include "estimator/step/work_list.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// A collective and the layout whose groups carry it out.
struct PlannedCollective {
  CollectiveKey key;
  GroupKind group = GroupKind::tensor;
  ParallelLayout layout;
};

struct MeasurementPlan {
  std::vector<KernelKey> kernels;
  std::vector<PlannedCollective> collectives;
};

/// Distinct keys of all jobs, in descending order of the work they name. For every group of ranks
/// and number format that the jobs use, also the other collectives at the size of the group's
/// largest activation, and a coarse ladder of sizes that the interpolation needs.
[[nodiscard]] MeasurementPlan plan_measurement(const std::vector<Job>& jobs,
                                               const Placement& placement);

}  // namespace forerun
