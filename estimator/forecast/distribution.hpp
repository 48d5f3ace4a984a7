// Distributions of uncertain inputs, all of positive quantities, and how intervals define them.
#pragma once

#include <string_view>
#include <variant>
#include <vector>

namespace forerun {

/// Standard normal: P(Z <= z).
[[nodiscard]] double normal_cdf(double z);
/// Its inverse, for p in (0, 1), to 1e-15: Wichura 1988, algorithm AS 241 (PPND16).
[[nodiscard]] double normal_quantile(double p);

struct Constant {
  double value;
};

struct Lognormal {
  double median;
  double sigma;  ///< of the natural logarithm
};

/// Two half lognormals that meet at the median: for intervals that are lopsided in the logarithm.
struct TwoPieceLognormal {
  double centre;
  double sigma_low;
  double sigma_high;
};

/// Triangular in the logarithm, zero outside [low, high].
struct LogTriangular {
  double low;
  double mode;
  double high;
};

struct Discrete {
  std::vector<double> values;
  std::vector<double> weights;  ///< sum to one
};

using Distribution = std::variant<Constant, Lognormal, TwoPieceLognormal, LogTriangular, Discrete>;

/// A value and the probability of lying below it; the level always travels with the number.
struct LevelledValue {
  double value;
  double level;
};

/// The lognormal with these two quantiles.
[[nodiscard]] Lognormal lognormal_from(LevelledValue first, LevelledValue second);
/// The two-piece lognormal with median `centre` and these quantiles on either side.
[[nodiscard]] TwoPieceLognormal two_piece(LevelledValue low, double centre, LevelledValue high);

/// The quantile at level Phi(`z`): `z` standard normal gives a draw.
[[nodiscard]] double value_at(const Distribution& distribution, double z);
[[nodiscard]] double median_of(const Distribution& distribution);
/// Mean of a lognormal: median e^(sigma^2 / 2).
[[nodiscard]] double mean_of(const Lognormal& distribution);
/// P(X > threshold).
[[nodiscard]] double probability_above(const Lognormal& distribution, double threshold);

/// "constant", "lognormal", "two_piece", "log_triangular", "discrete".
[[nodiscard]] std::string_view name_of(const Distribution& distribution);

}  // namespace forerun
