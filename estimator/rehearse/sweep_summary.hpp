// What the errors of all cases of a rehearsal say together, and of the run that is planned.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "estimator/rehearse/rehearse.hpp"

namespace forerun {

/// A part of the step, predicted and measured.
struct ComparedPart {
  std::string_view name;
  Seconds predicted;
  Seconds measured;
};

/// They sum to the predicted and the measured step.
[[nodiscard]] std::vector<ComparedPart> compared_parts(const RehearsedRun& run);

/// error = (predicted - measured) / measured.
[[nodiscard]] double error_of(const RehearsedRun& run);
/// With the machine's factor; the same where there is none.
[[nodiscard]] double fitted_error_of(const RehearsedRun& run);

struct ErrorSummary {
  double mape = 0.0;               ///< mean of the errors' sizes
  double bias = 0.0;               ///< mean error
  double worst = 0.0;              ///< largest size
  std::optional<double> spearman;  ///< rank correlation; nothing below three runs or without spread
};

[[nodiscard]] ErrorSummary summary_of(const std::vector<RehearsedRun>& runs,
                                      Seconds (*predicted)(const RehearsedRun&));

/// The predictions of a run that `summary_of` compares: at factor 1, as fitted, and by the
/// profile's kernels as they stand, however fast the machine is now.
[[nodiscard]] Seconds plain_prediction(const RehearsedRun& run);
[[nodiscard]] Seconds profiled_prediction(const RehearsedRun& run);
[[nodiscard]] Seconds fitted_prediction(const RehearsedRun& run);

/// Below this number of cases their spread is not known: two give a 90 % band of 9 deviations.
inline constexpr std::size_t fewest_for_a_band = 4;

/// How many times its estimate a step takes, with 90 % confidence for one more case: Student's t of
/// the logarithms of measured over predicted. Of fewer cases than that: what they span, with 1.
struct StepBand {
  double low = 1.0;
  double middle = 1.0;  ///< geometric mean
  double high = 1.0;
};

[[nodiscard]] StepBand band_of(const std::vector<RehearsedRun>& runs);

/// Mean contribution of each part to the error of the step, as shares of the measured step, by
/// name in the order of `compared_parts`; and the part with the largest mean size.
struct PartContribution {
  std::string_view name;
  double mean = 0.0;
  double mean_size = 0.0;
};

[[nodiscard]] std::vector<PartContribution> contributions_of(const std::vector<RehearsedRun>& runs);

}  // namespace forerun
