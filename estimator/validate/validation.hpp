// Predictions beside published values: rows, groups of them, and what their errors come to.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "estimator/estimate/error_band.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Memory of the fullest device of a run.
struct MemoryComparison {
  std::optional<Bytes> published;
  std::optional<Bytes> predicted;  ///< comparable with `published`
  bool ran_out = false;            ///< published as out of memory
  bool is_called_feasible = true;
};

struct ValidationRow {
  std::string id;
  std::vector<std::string> groups;   ///< the groups that the row counts in
  std::optional<Seconds> published;  ///< nothing where no time or rate is printed
  std::optional<Seconds> predicted;
  std::optional<Seconds> predicted_without_host;  ///< without what is calibrated on steps
  double relative_error = 0.0;                    ///< that the prediction gave itself
  std::optional<ErrorBand> band;                  ///< where it is more than relative_error
  std::string tier;
  std::string skip_reason;  ///< why nothing was predicted
  // Of a training run:
  std::string published_from;  ///< the column, and the convention where it is a FLOP rate
  std::string layout;
  std::vector<std::string> assumed;  ///< columns that are not published
  std::optional<MemoryComparison> memory;
};

[[nodiscard]] bool is_priced(const ValidationRow& row);
/// The row's band, or the one that its relative error makes; only for a row that was predicted.
[[nodiscard]] ErrorBand band_of(const ValidationRow& row);

/// (predicted - published) / published over rows that were priced.
struct ErrorStatistics {
  std::int64_t total = 0;
  std::int64_t priced = 0;
  double mape = 0.0;  ///< mean of the absolute error
  double bias = 0.0;  ///< mean of the error
  double p90 = 0.0;   ///< of the absolute error
  double max = 0.0;
  double spearman = 0.0;
  double coverage = 0.0;    ///< share of published values inside the band
  double half_width = 0.0;  ///< median half-width of the band, of the prediction
  /// The same without the calibrated host cost.
  double mape_without_host = 0.0;
  double bias_without_host = 0.0;
  double p90_without_host = 0.0;
  double max_without_host = 0.0;
  double spearman_without_host = 0.0;
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
