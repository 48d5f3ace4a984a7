// Minima of the parametric loss.
#include "estimator/forecast/scaling_law.hpp"

#include <cmath>

#include "units/unit.hpp"

namespace forerun {

namespace {

/// Forward pass of 2 N FLOP a token and a backward pass of twice that.
constexpr double flop_per_parameter_token = 6.0;

}  // namespace

double loss(double parameters, double tokens, const LossFit& fit) {
  return fit.irreducible + fit.a / std::pow(parameters, fit.alpha) +
         fit.b / std::pow(tokens, fit.beta);
}

OptimalShape optimal_fit(Flops training, const LossFit& fit) {
  const double product = training.in(unit::flop) / flop_per_parameter_token;
  const double sum = fit.alpha + fit.beta;
  const double scale = std::pow(fit.alpha * fit.a / (fit.beta * fit.b), 1.0 / sum);
  const double parameters = scale * std::pow(product, fit.beta / sum);
  return {.parameters = parameters, .tokens = product / parameters};
}

std::optional<double> overtrain(double size_fraction, const LossFit& fit) {
  // At the optimum alpha A / N^alpha = beta B / D^beta, so the overhead does not depend on C: in
  // units of B / D*^beta the parameter term is beta / alpha.
  const double parameter_term = fit.beta / fit.alpha;
  const double data_term = 1.0 + parameter_term * (1.0 - std::pow(size_fraction, -fit.alpha));
  if (data_term <= 0.0) {
    return std::nullopt;
  }
  return size_fraction * std::pow(data_term, -1.0 / fit.beta);
}

}  // namespace forerun
