// Correlated inputs: a Gaussian copula from Spearman rank correlations.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace forerun {

/// Pearson correlation of the normals behind a Spearman correlation: 2 sin(pi rho_s / 6).
[[nodiscard]] double copula_pearson(double spearman);

struct CorrelatedPair {
  std::size_t first;
  std::size_t second;
  double spearman;  ///< in (-1, 1)
};

/// Lower Cholesky factor of the correlation matrix: independent normals in, correlated ones out.
struct CopulaFactor {
  std::size_t size = 0;
  std::vector<double> rows;   ///< row-major, size x size
  bool was_repaired = false;  ///< the pairs contradicted each other: eigenvalues were clipped

  void apply(std::span<double> normals) const;  ///< in place
};

[[nodiscard]] CopulaFactor copula_factor(std::size_t size, std::span<const CorrelatedPair> pairs);

}  // namespace forerun
