// Parallel learning and the length of useful runs.
#include "estimator/forecast/learning.hpp"

#include <cmath>
#include <numeric>

#include "units/unit.hpp"

namespace forerun {

double learning_rate(double copies) {
  return copies * (unit::day / unit::year);
}

Seconds longest_run(std::span<const double> factors_per_year) {
  const double sum = std::accumulate(
      factors_per_year.begin(), factors_per_year.end(), 0.0, [](double s, double g) {
        return s + std::log(g);
      });
  return unit::year / sum;
}

BatchCost batch_cost(double batch, double critical_batch) {
  return {.steps = 1.0 + critical_batch / batch, .examples = 1.0 + batch / critical_batch};
}

double critical_batch(double loss, double batch_scale) {
  // Kaplan et al. 2020, alpha_B.
  constexpr double exponent = 0.21;
  return batch_scale / std::pow(loss, 1.0 / exponent);
}

}  // namespace forerun
