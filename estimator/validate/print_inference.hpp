// The document of `validate --inference`, and its table.
#pragma once

#include <iosfwd>

#include <nlohmann/json.hpp>

#include "estimator/validate/predict_inference.hpp"

namespace forerun {

/// Rows and statistics of those that state a batch, as in every validation; `upper_bound`: the
/// share of the other rows that lie at or under what is predicted, by group, and the rows.
[[nodiscard]] nlohmann::ordered_json to_json(const InferenceValidation& validation);

void print_inference(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
