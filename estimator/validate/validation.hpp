// Predictions beside published values: rows, groups of them, and what their errors come to.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "units/quantity.hpp"

namespace forerun {

struct ValidationRow {
  std::string id;
  std::vector<std::string> groups;  ///< the groups that the row counts in
  Seconds published;
  std::optional<Seconds> predicted;
  double relative_error = 0.0;  ///< that the prediction gave itself
  std::string tier;
  std::string skip_reason;  ///< why nothing was predicted
};

/// (predicted - published) / published over rows that were priced.
struct ErrorStatistics {
  std::int64_t total = 0;
  std::int64_t priced = 0;
  double mape = 0.0;  ///< mean of the absolute error
  double bias = 0.0;  ///< mean of the error
  double p90 = 0.0;   ///< of the absolute error
  double max = 0.0;
  double spearman = 0.0;
  double coverage = 0.0;  ///< share of published values inside the band
};

[[nodiscard]] ErrorStatistics statistics_of(const std::vector<const ValidationRow*>& rows);

/// Half-width of the 90 % band in units of a mean absolute error: 1.645 / 0.798 for a normal
/// distribution.
inline constexpr double band_of_mean_error = 2.06;

struct Validation {
  std::vector<ValidationRow> rows;
};

/// Groups in order of first appearance.
[[nodiscard]] std::vector<std::pair<std::string, ErrorStatistics>> groups_of(
    const Validation& validation);

/// The document of design.md's contract: rows, groups, and the statistics of all rows.
[[nodiscard]] nlohmann::ordered_json to_json(const Validation& validation);

/// One line a group and one for all.
void print_validation(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
