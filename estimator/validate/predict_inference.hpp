// Predictions beside published measurements of serving.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "estimator/validate/derive_terms.hpp"
#include "estimator/validate/inference_table.hpp"
#include "estimator/validate/validation.hpp"

namespace forerun {

/// A row that states no batch: the published rate of a server at its limit, beside the best that
/// any batch reaches.
struct ThroughputBound {
  std::string id;
  std::string group;
  double published = 0.0;           ///< tokens/s a device
  std::optional<double> predicted;  ///< likewise; nothing where the row was not priced
  std::string layout;
  std::int64_t batch = 0;  ///< of the best
  std::string skip_reason;
};

struct InferenceValidation {
  Validation stated;  ///< rows that state a batch
  std::vector<ThroughputBound> bounds;
};

/// Rows with a batch: its latency, its first token, its time a token, or batch x output tokens over
/// the rate, from a static batch (static_batch). Rows without one, but with lengths and a rate: the
/// most that continuous batching reaches with the row's tp and pp, with experts split as tensors or
/// over the ranks. Clusters and prices are read once each. No constant is fitted to any row.
[[nodiscard]] InferenceValidation validate_inference(const std::vector<InferenceRow>& rows);

/// What serving needs beside the errors of its prices, by class: serving_terms.toml derived anew.
[[nodiscard]] std::vector<DerivedTerm> serving_terms_of(const InferenceValidation& validation);

}  // namespace forerun
