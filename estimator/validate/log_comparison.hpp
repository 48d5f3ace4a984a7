// A training log beside the estimate of its job: step time, memory, and where the gap lies.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "estimator/estimate/estimate.hpp"
#include "estimator/validate/training_log.hpp"

namespace forerun {

/// Parts of the step that a timer of the log covers together.
struct LogPart {
  std::string name;
  Seconds predicted;
  std::optional<Seconds> measured;  ///< absent where the log has no timers
};

struct LogComparison {
  Seconds predicted;
  Seconds measured;              ///< median
  Seconds low, high;             ///< quartiles
  std::int64_t used = 0;         ///< iterations
  std::int64_t warm_up = 0;      ///< left out in front
  std::int64_t other_batch = 0;  ///< left out: another global batch size
  std::vector<LogPart> parts;    ///< by timer; measured ones sum to `measured`
};

/// Leaves out the first tenth of the iterations (at least the first, when there are more) and those
/// with another batch than the job's. Throws InputError where none is left.
[[nodiscard]] LogComparison compare_with_log(const TrainingLog& log, const JobEstimate& estimate);

[[nodiscard]] nlohmann::ordered_json log_json(const std::string& path,
                                              const TrainingLog& log,
                                              const JobEstimate& estimate);
void print_log(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
