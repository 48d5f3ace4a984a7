// What else follows from a forecast's medians: the methods, speed, data and laws of its year.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "estimator/forecast/latency.hpp"
#include "estimator/forecast/trend.hpp"

namespace forerun {

/// A forecast's middle.
struct ForecastMedians {
  double year = 0.0;
  double reference_year = 0.0;  ///< of the scenario's data
  double training_flop = 0.0;
  double parameters = 0.0;  ///< active
  double training_tokens = 0.0;
  double work_years = 0.0;  ///< round the clock
  double kappa = 0.0;
  double tokens_per_person_minute = 0.0;
  std::optional<double> speed_x_human;   ///< absent: the scenario has none
  std::optional<Trend> trend;            ///< of compute; absent: the scenario has none
  std::optional<double> training_years;  ///< length of the run; absent: not said
};

/// The least time of one token of a dense model of `parameters` (2 bytes each, layers by the rule
/// of `future_model`) on devices of the year: `latency_min`, with 4 reductions a layer of 1 us a
/// hop; on one device where the optimum is less than that.
[[nodiscard]] LatencyWall future_latency_wall(double parameters, double year);

/// Effective compute (Ho et al. 2024) beside hardware's FLOP per dollar, densing law and price of a
/// capability, the k rule with its wall, longest useful run and critical batch, the compute-optimal
/// fits, text, what the run costs and draws, what makes it cheaper, a layer's multiply-adds, and
/// other projections of compute: each with its `as_of` date. Everything is
/// extrapolated from published constants; nothing is measured.
[[nodiscard]] nlohmann::ordered_json consequences_of(const ForecastMedians& medians);

/// Three digits: with a decimal suffix in the range people name, in powers of ten beyond.
[[nodiscard]] std::string number_text(double number);

void print_consequences(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
