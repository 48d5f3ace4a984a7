// What choosing a layout by prediction costs: the time of the chosen one over that of the best that
// was measured.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "estimator/validate/predict_row.hpp"
#include "estimator/validate/training_table.hpp"

namespace forerun {

/// Runs of one table that differ by layout and micro-batch alone: same source, model, devices,
/// batch and sequence. At least two of them are priced.
struct Regret {
  std::string source;
  std::string what;  ///< "GPT 3.6B on 64 devices, batch 512"
  std::size_t layouts = 0;
  std::string chosen;  ///< id of the row that is predicted fastest
  std::string best;    ///< id of the row that was measured fastest
  double ratio = 1.0;  ///< measured time of the chosen over that of the best
};

[[nodiscard]] std::vector<Regret> regrets_of(const std::vector<TrainingRow>& rows,
                                             const std::vector<RowPrediction>& predictions);

/// By source: `choices`, `mean` and `max` of ratio - 1, the share of choices that are the best, and
/// every choice.
[[nodiscard]] nlohmann::ordered_json regret_json(const std::vector<Regret>& regrets);

}  // namespace forerun
