// The Gaussian copula's matrix, repaired where it is no correlation matrix.
#include "estimator/forecast/copula.hpp"

#include <cmath>
#include <numbers>

#include <Eigen/Dense>

namespace forerun {

namespace {

/// Eigenvalues clipped from below, then scaled back to a unit diagonal.
Eigen::MatrixXd repaired(const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>& solver,
                         double floor) {
  const Eigen::VectorXd values = solver.eigenvalues().cwiseMax(floor);
  const Eigen::MatrixXd clipped =
      solver.eigenvectors() * values.asDiagonal() * solver.eigenvectors().transpose();
  const Eigen::VectorXd scale = clipped.diagonal().cwiseSqrt().cwiseInverse();
  return scale.asDiagonal() * clipped * scale.asDiagonal();
}

}  // namespace

double copula_pearson(double spearman) {
  return 2.0 * std::sin(std::numbers::pi * spearman / 6.0);
}

void CopulaFactor::apply(std::span<double> normals) const {
  for (std::size_t row = size; row-- > 0;) {
    double sum = 0.0;
    for (std::size_t column = 0; column <= row; ++column) {
      sum += rows[row * size + column] * normals[column];
    }
    normals[row] = sum;
  }
}

CopulaFactor copula_factor(std::size_t size, std::span<const CorrelatedPair> pairs) {
  // Small beside any correlation that matters, large beside rounding.
  constexpr double least_eigenvalue = 1e-8;
  const auto n = static_cast<Eigen::Index>(size);
  Eigen::MatrixXd matrix = Eigen::MatrixXd::Identity(n, n);
  for (const CorrelatedPair& pair : pairs) {
    const auto i = static_cast<Eigen::Index>(pair.first);
    const auto j = static_cast<Eigen::Index>(pair.second);
    matrix(i, j) = matrix(j, i) = copula_pearson(pair.spearman);
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(matrix);
  const bool needs_repair = solver.eigenvalues().minCoeff() < least_eigenvalue;
  if (needs_repair) {
    matrix = repaired(solver, least_eigenvalue);
  }
  const Eigen::MatrixXd lower = matrix.llt().matrixL();
  CopulaFactor factor{.size = size, .rows = {}, .was_repaired = needs_repair};
  factor.rows.reserve(size * size);
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j < n; ++j) {
      factor.rows.push_back(lower(i, j));
    }
  }
  return factor;
}

}  // namespace forerun
