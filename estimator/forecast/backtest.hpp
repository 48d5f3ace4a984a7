// A trend from an early year against what later years brought.
#pragma once

#include <string>
#include <vector>

#include "estimator/forecast/distribution.hpp"

namespace forerun {

/// The largest training run known by a date, FLOP: models of Epoch AI's database that were larger
/// than any before (snapshot of 2025-07; dates of publication).
struct RecordRun {
  std::string model;
  double year = 0.0;
  double flop = 0.0;
};

[[nodiscard]] const std::vector<RecordRun>& record_runs();

struct BackTestRow {
  RecordRun observed;
  double median = 0.0;  ///< predicted FLOP
  double low = 0.0;     ///< of the 90 % interval
  double high = 0.0;
  double log10_error = 0.0;  ///< observed over median, decades
  bool is_covered = false;   ///< observed within the interval
};

struct BackTest {
  RecordRun anchor;  ///< the record at the start, all that the prediction knows
  std::vector<BackTestRow> rows;
  double mean_log10_error = 0.0;
  double mean_absolute_log10_error = 0.0;
  double coverage = 0.0;
};

/// From the record at `first` every later record up to `last` by C0 g^t, with `growth` a year and
/// the anchor known within a factor of `anchor_factor` at 90 %. Throws InputError when no record
/// lies before `first` + 1 or none after it.
[[nodiscard]] BackTest backtest(double first,
                                double last,
                                const Lognormal& growth,
                                double anchor_factor);

}  // namespace forerun
