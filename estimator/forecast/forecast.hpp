// The `forecast` verb: a scenario of the future, or this cluster's own numbers carried into it.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include <nlohmann/json.hpp>

#include "units/quantity.hpp"

namespace forerun {

struct ScenarioOptions {
  std::string scenario = "steinhardt-2023";
  double year = 2030.0;
  std::int64_t samples = 1'000'000;
  std::uint64_t seed = 1;
  /// Share of the variance of ln work that each input carries: as many draws again for each.
  bool variance_shares = false;
};

/// Monte Carlo over a scenario. Every quantity is an object p5 p25 p50 p75 p95 mean, or null with
/// a note where the scenario has no source for it. `copies` are concurrent streams sustained for
/// the length of the training; `work_years` are round the clock, `work_years_2000h` job years.
/// Throws InputError for an unknown scenario, a year without data, or a number of samples outside
/// 1 to 20 million.
[[nodiscard]] nlohmann::ordered_json forecast_scenario(const ScenarioOptions& options);

/// What an estimate on this cluster says, to be carried to copies and work.
struct MeasuredInputs {
  std::string model;
  double active_parameters = 0.0;
  Flops training_flop_per_token;   ///< model FLOP, forward and backward
  double tokens_per_second = 0.0;  ///< training, the whole machine
  double mfu = 0.0;                ///< model FLOP rate over peak
  FlopsPerSecond peak_per_device;
  std::int64_t devices = 0;
  Seconds duration;                              ///< of the training
  double measured_fraction = 0.0;                ///< of the step time: priced from measurements
  double words_per_minute = 380.0;               ///< of a person thinking; Steinhardt 2023
  double tokens_per_word = 4.0 / 3;              ///< the same
  ScenarioOptions scenario{.samples = 100'000};  ///< to compare with
};

/// The given model and the compute-optimal one for the FLOP that the machines do in the time (20
/// tokens a parameter, 3 forward passes a token), side by side and beside the scenario. Takes the
/// machines to generate at the utilisation at which they train.
/// Throws InputError if a count, rate or share is not positive or a share is above 1.
[[nodiscard]] nlohmann::ordered_json forecast_measured(const MeasuredInputs& inputs);

/// Either document as a table, three significant digits.
void print_forecast(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
