#include "estimator/forecast/backtest.hpp"

#include <cmath>

#include <fmt/format.h>

#include "units/input_error.hpp"

namespace forerun {
namespace {

constexpr double level_90 = 1.64485363;  // standard deviations of a 90 % interval

}  // namespace

// FLOP: section J.1 of the forecasting reference (Epoch AI's database). GPT-4.5's 2.1e26 is marked
// speculative there and came after Grok-3's larger one.
const std::vector<RecordRun>& record_runs() {
  static const std::vector<RecordRun> runs{{"GPT-3", 2020.41, 3.14e23},
                                           {"GPT-4", 2023.20, 2.1e25},
                                           {"Gemini Ultra", 2023.93, 5e25},
                                           {"Grok-3", 2025.13, 4.64e26},
                                           {"Grok-4", 2025.52, 5e26}};
  return runs;
}

BackTest backtest(double first, double last, const Lognormal& growth, double anchor_factor) {
  BackTest test;
  bool has_anchor = false;
  for (const RecordRun& run : record_runs()) {
    if (run.year < first + 1.0) {
      test.anchor = run;
      has_anchor = true;
      continue;
    }
    if (!has_anchor || run.year > last + 1.0) {
      continue;
    }
    const double years = run.year - test.anchor.year;
    const double sigma = std::hypot(std::log(anchor_factor) / level_90, years * growth.sigma);
    BackTestRow row{run, test.anchor.flop * std::pow(growth.median, years)};
    row.low = row.median * std::exp(-level_90 * sigma);
    row.high = row.median * std::exp(level_90 * sigma);
    row.log10_error = std::log10(run.flop / row.median);
    row.is_covered = row.low <= run.flop && run.flop <= row.high;
    test.rows.push_back(row);
  }
  if (test.rows.empty()) {
    throw InputError("--backtest",
                     fmt::format("{:.0f}..{:.0f} holds no record run to start from and one to "
                                 "predict (expected years within 2020..2025)",
                                 first,
                                 last));
  }
  const auto count = static_cast<double>(test.rows.size());
  for (const BackTestRow& row : test.rows) {
    test.mean_log10_error += row.log10_error / count;
    test.mean_absolute_log10_error += std::abs(row.log10_error) / count;
    test.coverage += (row.is_covered ? 1.0 : 0.0) / count;
  }
  return test;
}

}  // namespace forerun
