// The verb `rehearse`: does a real step take what we said it would?
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "estimator/measure/measure.hpp"
#include "estimator/rehearse/equality.hpp"
#include "estimator/step/step_time.hpp"

namespace forerun {

/// One job with what the estimate says of it.
struct PredictedRun {
  Job job;
  StepEstimate estimate;
};

struct RehearsedRun {
  PredictedRun predicted;
  Seconds measured;            ///< median over steps of the slowest rank's step
  std::vector<Seconds> steps;  ///< of the slowest rank, each
  StepMeasurement parts;       ///< medians over the steps, of the stage that the estimate names
  Bytes predicted_memory;      ///< largest stage, tensors only
  Bytes measured_memory;       ///< most that any rank allocated for tensors
  std::optional<EqualityReport> equality;
  std::string equality_note;  ///< why there is none
};

struct RehearseOptions {
  std::int64_t steps = 5;
  std::uint64_t seed = 1;
};

/// Collective over the machine's ranks. For each run: checks that the split step equals the unsplit
/// one, warms up one step, measures `steps`. The caller has already written the predictions down.
[[nodiscard]] std::vector<RehearsedRun> rehearse(const std::vector<PredictedRun>& runs,
                                                 const RehearseOptions& options,
                                                 const Machine& machine,
                                                 std::ostream& progress);

}  // namespace forerun
