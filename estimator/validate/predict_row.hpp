// One published run predicted through the path that `estimate` takes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "estimator/estimate/estimate.hpp"
#include "estimator/estimate/host_costs.hpp"
#include "estimator/validate/baselines.hpp"
#include "estimator/validate/row_job.hpp"
#include "estimator/validate/validation.hpp"

namespace forerun {

/// What a prediction knows beside its result: for baselines and for the widths of bands.
struct RowFacts {
  std::string source;
  std::string set;         ///< of the sources whose accuracy is stated together; may be empty
  std::string job_class;   ///< empty where nothing was predicted
  double own_error = 0.0;  ///< of the prices alone
  std::optional<StepFeatures> features;
  std::string software;  ///< preset
  std::optional<StepBreakdown> breakdown;
  bool is_feasible = false;
  Seconds host_per_launch;
  bool is_host_assumed = false;
};

struct RowPrediction {
  ValidationRow row;
  RowFacts facts;
};

/// Keeps hardware and prices from row to row. One per thread.
class RowPredictor {
 public:
  explicit RowPredictor(HostCosts host_costs) : host_costs_(std::move(host_costs)) {}

  /// Never throws for what a row says: what cannot be priced carries its reason.
  [[nodiscard]] RowPrediction predict(const TrainingRow& row);

 private:
  struct Hardware {
    HardwareSource source;
    PriceList prices;
  };

  [[nodiscard]] const Hardware& hardware_for(const RowJob& row, const Cells& cells);
  [[nodiscard]] static JobEstimate estimate(const RowJob& row,
                                            const Hardware& hardware,
                                            HostCost host);
  /// Over what the row leaves open, the fastest that fits; the fastest of all where none fits.
  /// Where it may recompute to run: with as few recomputed layers as it could have run with.
  [[nodiscard]] JobEstimate best_estimate(RowJob& row, const Hardware& hardware) const;
  [[nodiscard]] JobEstimate best_of(const std::vector<RecomputePolicy>& policies,
                                    RowJob& row,
                                    const Hardware& hardware) const;
  void price(const TrainingRow& row, const Cells& cells, RowPrediction& result);

  HostCosts host_costs_;
  std::map<std::string, Hardware> hardware_;
};

}  // namespace forerun
