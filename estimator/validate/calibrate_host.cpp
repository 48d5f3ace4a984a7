#include "estimator/validate/calibrate_host.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include <fmt/ostream.h>

#include "estimator/validate/validate_training.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct MeanError {
  double error = 0.0;
  std::int64_t rows = 0;
};

MeanError mean_error(const std::vector<RowPrediction>& predictions) {
  MeanError mean;
  for (const RowPrediction& prediction : predictions) {
    if (is_priced(prediction.row)) {
      mean.error += std::abs(*prediction.row.predicted / *prediction.row.published - 1.0);
      ++mean.rows;
    }
  }
  mean.error /= mean.rows > 0 ? static_cast<double>(mean.rows) : 1.0;
  return mean;
}

MeanError error_with(const std::vector<TrainingRow>& rows,
                     const std::string& software,
                     double microseconds) {
  return mean_error(
      validate_training(rows, {{software, HostCost{microseconds * unit::microsecond}}}));
}

std::optional<CalibratedHost> calibrate(const std::vector<TrainingRow>& rows,
                                        const std::string& software) {
  constexpr double step_us = 0.5;
  const auto error_at = [&](int steps) { return error_with(rows, software, step_us * steps); };
  const MeanError without = error_at(0);
  int best = 0;
  MeanError least = without;
  const auto search = [&](int first, int last, int stride) {
    for (int steps = first; steps <= last; steps += stride) {
      const MeanError mean = error_at(steps);
      if (mean.error < least.error) {
        least = mean;
        best = steps;
      }
    }
  };
  // Up to 80 us, twice the slowest host that was observed (40 us, design notes on accuracy,
  // section 1); every 5 us first, then around the best.
  constexpr int coarse = 10;
  search(coarse, 160, coarse);
  search(std::max(1, best - coarse), best + coarse, 1);
  if (without.rows == 0 || least.error > 0.9 * without.error) {
    return std::nullopt;
  }
  return CalibratedHost{
      software, step_us * best * unit::microsecond, without.rows, least.error, without.error};
}

}  // namespace

std::vector<CalibratedHost> calibrate_host(const std::vector<TrainingRow>& rows) {
  std::map<std::string, std::vector<TrainingRow>> presets;
  const auto predictions = validate_training(rows, {});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Software* const preset = software_preset(predictions[i].facts.software);
    if (is_priced(predictions[i].row) && preset != nullptr && preset->is_eager) {
      const auto& same = preset->launches_like;
      presets[std::string(same.empty() ? preset->preset : same)].push_back(rows[i]);
    }
  }
  std::vector<CalibratedHost> costs;
  for (const auto& [software, members] : presets) {
    if (const auto cost = calibrate(members, software)) {
      costs.push_back(*cost);
    }
  }
  return costs;
}

void write_host_costs(const std::vector<CalibratedHost>& costs,
                      const std::string& table,
                      std::ostream& out) {
  fmt::print(out,
             "# What the host of an eager framework takes to launch one kernel, by software "
             "preset.\n"
             "# CALIBRATED on published step times: the only numbers here that are. Derived by\n"
             "# `forerun validate --table {} --host-out FILE`: the cost that makes the mean "
             "absolute\n"
             "# relative error of that preset's rows least, in steps of 0.5 us.\n",
             table);
  for (const CalibratedHost& cost : costs) {
    fmt::print(out,
               "\n[[host_cost]]\nsoftware = \"{}\"\nper_launch_us = {:.1f}\nlabel = "
               "\"calibrated\"\nrows = {}\nmape_with = {:.4f}\nmape_without = {:.4f}\n",
               cost.software,
               cost.per_launch.in(unit::microsecond),
               cost.rows,
               cost.error,
               cost.error_without);
  }
}

}  // namespace forerun
