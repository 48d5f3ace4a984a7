// Quantiles of the distributions, from the normal quantile up.
#include "estimator/forecast/distribution.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace forerun {

namespace {

using Coefficients = std::array<double, 8>;

/// Numerator over denominator, constant term first.
double rational(double x, const Coefficients& numerator, const Coefficients& denominator) {
  double top = numerator[7];
  double bottom = denominator[7];
  for (std::size_t i = 7; i-- > 0;) {
    top = top * x + numerator[i];
    bottom = bottom * x + denominator[i];
  }
  return top / bottom;
}

// Wichura 1988, Applied Statistics 37(3), PPND16: central, intermediate and far tail.
constexpr Coefficients central_top = {3.3871328727963666080e0,
                                      1.3314166789178437745e+2,
                                      1.9715909503065514427e+3,
                                      1.3731693765509461125e+4,
                                      4.5921953931549871457e+4,
                                      6.7265770927008700853e+4,
                                      3.3430575583588128105e+4,
                                      2.5090809287301226727e+3};
constexpr Coefficients central_bottom = {1.0,
                                         4.2313330701600911252e+1,
                                         6.8718700749205790830e+2,
                                         5.3941960214247511077e+3,
                                         2.1213794301586595867e+4,
                                         3.9307895800092710610e+4,
                                         2.8729085735721942674e+4,
                                         5.2264952788528545610e+3};
constexpr Coefficients middle_top = {1.42343711074968357734e0,
                                     4.63033784615654529590e0,
                                     5.76949722146069140550e0,
                                     3.64784832476320460504e0,
                                     1.27045825245236838258e0,
                                     2.41780725177450611770e-1,
                                     2.27238449892691845833e-2,
                                     7.74545014278341407640e-4};
constexpr Coefficients middle_bottom = {1.0,
                                        2.05319162663775882187e0,
                                        1.67638483018380384940e0,
                                        6.89767334985100004550e-1,
                                        1.48103976427480074590e-1,
                                        1.51986665636164571966e-2,
                                        5.47593808499534494600e-4,
                                        1.05075007164441684324e-9};
constexpr Coefficients far_top = {6.65790464350110377720e0,
                                  5.46378491116411436990e0,
                                  1.78482653991729133580e0,
                                  2.96560571828504891230e-1,
                                  2.65321895265761230930e-2,
                                  1.24266094738807843860e-3,
                                  2.71155556874348757815e-5,
                                  2.01033439929228813265e-7};
constexpr Coefficients far_bottom = {1.0,
                                     5.99832206555887937690e-1,
                                     1.36929880922735805310e-1,
                                     1.48753612908506148525e-2,
                                     7.86869131145613259100e-4,
                                     1.84631831751005468180e-5,
                                     1.42151175831644588870e-7,
                                     2.04426310338993978564e-15};

/// Inverse of the distribution function of a triangle in ln x.
double log_triangular_at(const LogTriangular& d, double p) {
  const double low = std::log(d.low);
  const double mode = std::log(d.mode);
  const double high = std::log(d.high);
  const double split = (mode - low) / (high - low);
  const double log_value = p < split ? low + std::sqrt(p * (high - low) * (mode - low))
                                     : high - std::sqrt((1.0 - p) * (high - low) * (high - mode));
  return std::exp(log_value);
}

double discrete_at(const Discrete& d, double p) {
  double below = 0.0;
  for (std::size_t i = 0; i + 1 < d.values.size(); ++i) {
    below += d.weights[i];
    if (p <= below) {
      return d.values[i];
    }
  }
  return d.values.back();
}

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace

double normal_cdf(double z) {
  return 0.5 * std::erfc(-z / std::numbers::sqrt2);
}

double normal_quantile(double p) {
  const double centred = p - 0.5;
  if (std::abs(centred) <= 0.425) {
    return centred * rational(0.180625 - centred * centred, central_top, central_bottom);
  }
  const double tail = std::sqrt(-std::log(centred < 0.0 ? p : 1.0 - p));
  const double size = tail <= 5.0 ? rational(tail - 1.6, middle_top, middle_bottom)
                                  : rational(tail - 5.0, far_top, far_bottom);
  return centred < 0.0 ? -size : size;
}

Lognormal lognormal_from(LevelledValue first, LevelledValue second) {
  const double z_first = normal_quantile(first.level);
  const double z_second = normal_quantile(second.level);
  const double sigma = std::log(second.value / first.value) / (z_second - z_first);
  return {.median = first.value * std::exp(-sigma * z_first), .sigma = sigma};
}

TwoPieceLognormal two_piece(LevelledValue low, double centre, LevelledValue high) {
  return {.centre = centre,
          .sigma_low = std::log(low.value / centre) / normal_quantile(low.level),
          .sigma_high = std::log(high.value / centre) / normal_quantile(high.level)};
}

double value_at(const Distribution& distribution, double z) {
  return std::visit(Overloaded{
                        [](const Constant& d) { return d.value; },
                        [z](const Lognormal& d) { return d.median * std::exp(d.sigma * z); },
                        [z](const TwoPieceLognormal& d) {
                          return d.centre * std::exp((z < 0.0 ? d.sigma_low : d.sigma_high) * z);
                        },
                        [z](const LogTriangular& d) { return log_triangular_at(d, normal_cdf(z)); },
                        [z](const Discrete& d) { return discrete_at(d, normal_cdf(z)); },
                    },
                    distribution);
}

double median_of(const Distribution& distribution) {
  return value_at(distribution, 0.0);
}

double mean_of(const Lognormal& distribution) {
  return distribution.median * std::exp(distribution.sigma * distribution.sigma / 2.0);
}

double probability_above(const Lognormal& distribution, double threshold) {
  return normal_cdf(std::log(distribution.median / threshold) / distribution.sigma);
}

std::string_view name_of(const Distribution& distribution) {
  return std::visit(Overloaded{
                        [](const Constant&) { return std::string_view("constant"); },
                        [](const Lognormal&) { return std::string_view("lognormal"); },
                        [](const TwoPieceLognormal&) { return std::string_view("two_piece"); },
                        [](const LogTriangular&) { return std::string_view("log_triangular"); },
                        [](const Discrete&) { return std::string_view("discrete"); },
                    },
                    distribution);
}

}  // namespace forerun
