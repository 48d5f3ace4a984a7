// How far estimates are from published training runs.
#pragma once

#include <iosfwd>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "estimator/validate/derive_terms.hpp"
#include "estimator/validate/predict_row.hpp"
#include "estimator/validate/training_table.hpp"

namespace forerun {

/// Every row predicted, in the order of the table whatever the number of threads. Groups: per
/// source, device, parallel kind, and set of sources. Rows of a preset with a host cost are
/// predicted without it too.
[[nodiscard]] std::vector<RowPrediction> validate_training(
    const std::vector<TrainingRow>& rows, const HostCosts& host_costs = calibrated_host_costs());

/// The structural terms that these predictions ask for.
[[nodiscard]] std::vector<DerivedTerm> terms_of(const std::vector<RowPrediction>& predictions);

/// The document: rows, groups and statistics as design.md's contract has them; `memory`,
/// `baselines` per set of sources, `unpriced` with reasons.
[[nodiscard]] nlohmann::ordered_json to_json(const std::vector<RowPrediction>& predictions);

enum class Detail { figures, baselines_and_reasons };

/// As a table for people: sets first, then sources, devices and parallel kinds.
void print_training(const nlohmann::ordered_json& document, Detail detail, std::ostream& out);

}  // namespace forerun
