// Least squares with coefficients that may not be negative.
#pragma once

#include <vector>

namespace forerun {

/// Coefficients x >= 0 that minimise |A x - b|, by Lawson and Hanson's active set (Solving Least
/// Squares Problems, 1974, chapter 23). `rows` are A's, all of one length; b has one value a row.
[[nodiscard]] std::vector<double> nonnegative_fit(const std::vector<std::vector<double>>& rows,
                                                  const std::vector<double>& b);

}  // namespace forerun
