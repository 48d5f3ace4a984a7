// The verb `rehearse`: does a real step take what we said it would?
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "estimator/measure/measure.hpp"
#include "estimator/rehearse/equality.hpp"
#include "estimator/rehearse/prediction.hpp"
#include "estimator/step/step_time.hpp"

namespace forerun {

struct RehearsedRun {
  PredictedRun predicted;
  Seconds measured;            ///< median over steps of the slowest rank's step
  std::vector<Seconds> steps;  ///< of the slowest rank, each
  StepMeasurement parts;       ///< medians over the steps, of the stage that the estimate names
  /// Rows of the expert group's busiest rank over its even share, as the routers of the last step
  /// chose; nothing where no tokens travel.
  std::optional<double> busiest_experts;
  Bytes predicted_memory;  ///< largest stage, tensors only
  Bytes measured_memory;   ///< most that any rank allocated for tensors
  std::optional<EqualityReport> equality;
  std::string equality_note;  ///< why there is none
};

struct RehearseOptions {
  std::int64_t steps = 5;
  std::uint64_t seed = 1;
  RankOrder rank_order = megatron_order;
  Overlap overlap = Overlap::off;  ///< of collectives with kernels, when steps run
};

/// Runs one case after another; what they share of the comparison is computed once.
class Rehearsal {
 public:
  Rehearsal(const RehearseOptions& options, const Machine& machine, std::ostream& progress)
      : options_(options), machine_(machine), progress_(progress) {}

  /// Collective over the machine's ranks. Checks that the split step equals the unsplit one, warms
  /// up one step, measures `steps`. The caller has already written the prediction down. Throws
  /// std::runtime_error naming rank, host, what was asked for and the estimate's figure where
  /// memory ends.
  [[nodiscard]] RehearsedRun run(const PredictedRun& predicted);

 private:
  RehearsedRun run_all(const PredictedRun& predicted);
  void say(const std::string& line) const;
  void check_equality(const Job& job, Executor& executor, RehearsedRun& result);
  void measure_steps(Executor& executor, GridCommunicators& groups, RehearsedRun& result);
  void measure_parts(const std::vector<StepMeasurement>& steps,
                     const GridCommunicators& groups,
                     RehearsedRun& result);
  void measure_experts(const Executor& executor, RehearsedRun& result);
  void measure_memory(const Executor& executor, RehearsedRun& result);

  RehearseOptions options_;
  const Machine& machine_;
  std::ostream& progress_;
  std::optional<ReferenceStep> reference_;
  std::string reference_key_;
};

/// What the tensors of the largest stage take, by the estimate.
[[nodiscard]] Bytes predicted_memory_of(const StepEstimate& estimate);

}  // namespace forerun
