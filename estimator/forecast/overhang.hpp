// How much thinking a training budget could run instead of training: person-time and copies.
#pragma once

#include <optional>

#include "units/quantity.hpp"

namespace forerun {

/// A training run at a fixed ratio of tokens to parameters, and the thinking it is worth.
struct OptimalRun {
  double parameters = 0.0;       ///< N, active
  double training_tokens = 0.0;  ///< D = r N
  double forward_passes = 0.0;   ///< P = kappa D: tokens that the training budget generates
  Seconds work;                  ///< person-time round the clock, P / tau
};

/// Omega = C / (F1 tau), C = `training`, F1 = `per_token` FLOP of one forward pass, tau =
/// `tokens_per_person_minute`. Person-time, round the clock. Steinhardt 2023, "What will GPT-2030
/// look like?". Leaves out attention over the context (GPT-3 at 2,048 tokens: +2.8 %) and takes
/// serving to reach the training utilisation.
[[nodiscard]] Seconds overhang(Flops training, Flops per_token, double tokens_per_person_minute);

/// Omega = kappa D / tau: the same through the identity C = 2 kappa N D, F1 = 2 N. `kappa` is the
/// number of forward passes that one training token costs (3: a forward and a backward of two).
[[nodiscard]] Seconds overhang_tokens(double tokens, double kappa, double tokens_per_person_minute);

struct OptimalRatio {
  double tokens_per_parameter = 20.0;  ///< r; 20: Hoffmann et al. 2022 ("Chinchilla"), rounded
  double kappa = 3.0;                  ///< forward plus a backward of two
};

/// N = sqrt(C / (2 kappa r)), D = r N, P = sqrt(kappa r C / 2), Omega = P / tau: elasticities of
/// Omega are 1/2 for C, kappa and r, and -1 for tau.
[[nodiscard]] OptimalRun optimal_sqrt(Flops training,
                                      const OptimalRatio& ratio,
                                      double tokens_per_person_minute);

/// kappa' = 2 + samples / kept: passes per update token when `samples` are generated for each
/// `kept` that is trained on; the generation stands for the forward pass. Steinhardt 2023.
[[nodiscard]] double synthetic_kappa(double samples, double kept);

/// D' = U + U R* (1 - e^(-R / R*)), R = epochs - 1, R* = 15.387756: what `epochs` passes over
/// `unique_tokens` are worth in fresh ones. Muennighoff et al. 2023. Infinite epochs are allowed.
[[nodiscard]] double data_cap(double unique_tokens, double epochs);

/// Passes over `unique_tokens` that are worth `wanted_tokens` fresh ones, `data_cap` solved for
/// them; one where there are enough, none where no number of passes is worth as many.
[[nodiscard]] std::optional<double> epochs_for(double wanted_tokens, double unique_tokens);

/// Concurrent streams of thought that machines at `rate` sustain: rate / (2 N x tokens/s of a
/// person), with 2 N FLOP per generated token. Assumes decoding at the utilisation of training.
[[nodiscard]] double concurrent_copies(FlopsPerSecond rate,
                                       double active_parameters,
                                       double tokens_per_person_minute);

/// Concurrent copies that run for as long as the training took: Omega / t.
[[nodiscard]] double sustained_copies(Seconds work, Seconds training_time);

/// Round-the-clock hours in the 2,000 hours of a job year: 8,766 / 2,000 = 4.383.
[[nodiscard]] double job_years_per_year();

}  // namespace forerun
