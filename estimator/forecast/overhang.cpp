// Person-time of a training budget: the square-root law and its pieces.
#include "estimator/forecast/overhang.hpp"

#include <cmath>

#include "units/unit.hpp"

namespace forerun {
namespace {

// Fitted half-life of repeated tokens, Muennighoff et al. 2023, R*_D.
constexpr double repeats_decay = 15.387756;

}  // namespace

Seconds overhang(Flops training, Flops per_token, double tokens_per_person_minute) {
  return training / per_token / tokens_per_person_minute * unit::minute;
}

Seconds overhang_tokens(double tokens, double kappa, double tokens_per_person_minute) {
  return kappa * tokens / tokens_per_person_minute * unit::minute;
}

OptimalRun optimal_sqrt(Flops training,
                        const OptimalRatio& ratio,
                        double tokens_per_person_minute) {
  // A multiply-add is two operations, hence two FLOP per parameter and forward pass.
  const double passes_parameters = training.in(unit::flop) / 2.0;
  const double parameters =
      std::sqrt(passes_parameters / (ratio.kappa * ratio.tokens_per_parameter));
  const double tokens = ratio.tokens_per_parameter * parameters;
  return {.parameters = parameters,
          .training_tokens = tokens,
          .forward_passes = ratio.kappa * tokens,
          .work = overhang_tokens(tokens, ratio.kappa, tokens_per_person_minute)};
}

double synthetic_kappa(double samples, double kept) {
  constexpr double backward_passes = 2.0;
  return backward_passes + samples / kept;
}

double data_cap(double unique_tokens, double epochs) {
  return unique_tokens * (1.0 - repeats_decay * std::expm1((1.0 - epochs) / repeats_decay));
}

std::optional<double> epochs_for(double wanted_tokens, double unique_tokens) {
  const double beyond = (wanted_tokens / unique_tokens - 1.0) / repeats_decay;
  if (beyond >= 1.0) {
    return std::nullopt;
  }
  return beyond <= 0.0 ? 1.0 : 1.0 - repeats_decay * std::log1p(-beyond);
}

double concurrent_copies(FlopsPerSecond rate,
                         double active_parameters,
                         double tokens_per_person_minute) {
  const Flops per_token = 2.0 * active_parameters * unit::flop;
  return rate * unit::minute / per_token / tokens_per_person_minute;
}

double sustained_copies(Seconds work, Seconds training_time) {
  return work / training_time;
}

double job_years_per_year() {
  return unit::year.in(unit::hour) / 2000.0;
}

}  // namespace forerun
