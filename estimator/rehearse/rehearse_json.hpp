// The document of `rehearse`, and its table.
#pragma once

#include <iosfwd>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "estimator/rehearse/rehearse.hpp"

namespace forerun {

/// Before anything ran: predictions, with null where measurements will stand.
[[nodiscard]] nlohmann::ordered_json prediction_json(const std::vector<PredictedRun>& runs);

/// Predicted and measured side by side: runs, mape, bias, spearman.
[[nodiscard]] nlohmann::ordered_json to_json(const std::vector<RehearsedRun>& runs);

void print_rehearsal(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
