// Parametric loss fits and the compute-optimal model that each implies.
#pragma once

#include <optional>

#include "units/quantity.hpp"

namespace forerun {

/// L(N, D) = E + A / N^alpha + B / D^beta, L in nats, N parameters, D tokens.
struct LossFit {
  double irreducible;  ///< E
  double a;
  double b;
  double alpha;
  double beta;
};

/// Hoffmann et al. 2022, approach 3, as printed.
inline constexpr LossFit hoffmann_fit{1.69, 406.4, 410.7, 0.34, 0.28};
/// The same unrounded, recovered from the paper's source by Besiroglu et al. 2024.
inline constexpr LossFit hoffmann_source_fit{1.69337, 406.40102, 410.72283, 0.33917, 0.28491};
/// Besiroglu et al. 2024, "Chinchilla scaling: a replication attempt".
inline constexpr LossFit epoch_fit{1.81686, 482.00572, 2085.4342, 0.34781, 0.36585};
/// Muennighoff et al. 2023, alpha = beta.
inline constexpr LossFit muennighoff_fit{1.86914, 520.82495, 1487.71609, 0.35266, 0.35266};

[[nodiscard]] double loss(double parameters, double tokens, const LossFit& fit);

struct OptimalShape {
  double parameters;
  double tokens;
};

/// Minimum of the loss over N at D = C / (6 N): N = G (C / 6)^(beta / (alpha + beta)),
/// G = (alpha A / (beta B))^(1 / (alpha + beta)).
[[nodiscard]] OptimalShape optimal_fit(Flops training, const LossFit& fit);

/// Compute of a model of `size_fraction` times the optimal parameters, trained until its loss is
/// that of the optimum, over the optimal compute; nothing where no amount of data suffices.
[[nodiscard]] std::optional<double> overtrain(double size_fraction, const LossFit& fit);

}  // namespace forerun
