// Fits the parametric loss to runs: Huber loss on the logarithm, many starts, bootstrap.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "estimator/forecast/scaling_law.hpp"

namespace forerun {

/// One training run: N parameters, D tokens, final loss in nats.
struct TrainedModel {
  double parameters = 0.0;
  double tokens = 0.0;
  double loss = 0.0;
};

struct FittedLaw {
  LossFit fit{};
  double objective = 0.0;  ///< sum of Huber losses at the fit
  std::int64_t starts = 0;
  std::int64_t runs = 0;
};

/// Minimum of the sum over runs of Huber(ln L_i - ln(E + A / N^alpha + B / D^beta)), delta 1e-3, by
/// damped Gauss-Newton steps with iterated weights from a grid of starts (objective and delta as in
/// Hoffmann et al. 2022 and Besiroglu et al. 2024, arXiv 2404.10102). Throws InputError for fewer
/// than six runs or a size or loss that is not positive.
[[nodiscard]] FittedLaw fit_scaling_law(std::span<const TrainedModel> runs);

struct Interval {
  double low = 0.0;
  double high = 0.0;
  double standard_error = 0.0;
};

/// 95 % intervals and standard errors over `resamples` drawn with replacement, each fitted from the
/// best fit on. In the order E, A, B, alpha, beta. The same for the same seed.
[[nodiscard]] std::vector<Interval> bootstrap_law(std::span<const TrainedModel> runs,
                                                  const LossFit& fit,
                                                  std::int64_t resamples,
                                                  std::uint64_t seed);

/// The runs without the `count` that have fewest tokens a parameter: barely trained, far from where
/// the law holds (Besiroglu et al. leave out five).
[[nodiscard]] std::vector<TrainedModel> without_least_trained(std::span<const TrainedModel> runs,
                                                              std::int64_t count);

}  // namespace forerun
