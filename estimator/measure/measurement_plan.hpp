// Which keys a measurement takes: those of the work lists of the jobs it is given.
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
  int pass = 0;  ///< 0: a step asks for it; 1 to 3: sizes between, from every fourth octave down
  bool in_place = false;  ///< as the step runs it, wherever it does
};

struct MeasurementPlan {
  std::vector<KernelKey> kernels;
  std::vector<PlannedCollective> collectives;  ///< by pass, then by group
};

/// The smallest message worth a point: below it only latency counts (modelling.md 10.4).
inline constexpr std::int64_t smallest_on_gpus = 1024;
inline constexpr std::int64_t smallest_on_cpus = 256;
/// Without a job the messages end here: what fits beside everything else on any device.
inline constexpr std::int64_t largest_on_gpus = std::int64_t{1} << 30;
inline constexpr std::int64_t largest_on_cpus = std::int64_t{1} << 26;

/// Distinct keys of all jobs; collectives that a step asks for from the largest down. For every
/// group of ranks and number format that the jobs use, also the other collectives at the size of
/// the group's largest activation, and powers of two from `smallest` bytes up to that, every fourth
/// first.
[[nodiscard]] MeasurementPlan plan_measurement(const std::vector<Job>& jobs,
                                               const Placement& placement,
                                               std::int64_t smallest = smallest_on_gpus);

/// What to measure of a network without a job in mind: every collective over all ranks, fp32 and
/// bf16, powers of two from `smallest` to `largest` bytes, every fourth first.
[[nodiscard]] std::vector<PlannedCollective> plan_collectives(const GroupShape& world,
                                                              std::int64_t smallest,
                                                              std::int64_t largest);

}  // namespace forerun
