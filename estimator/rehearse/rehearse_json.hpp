// The document of `rehearse`, and its table.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "estimator/rehearse/rehearse.hpp"

namespace forerun {

/// A case that did not run, and why.
struct LeftOutCase {
  std::string name;  ///< "MODEL LAYOUT"
  std::string reason;
};

/// A sweep while it runs and when it is done.
struct Sweep {
  std::vector<RehearsedRun> runs;
  std::optional<PredictedRun> running;  ///< predicted, not yet measured
  std::vector<LeftOutCase> left_out;
  std::size_t cases = 0;  ///< that are to run
};

/// Predicted and measured side by side: runs, mape, bias, spearman, what the errors mean. The case
/// that is running has null where its measurements will stand.
[[nodiscard]] nlohmann::ordered_json to_json(const Sweep& sweep);

void print_rehearsal(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
