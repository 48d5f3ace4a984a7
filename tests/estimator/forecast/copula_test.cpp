// The Gaussian copula: correlations in, correlated normals out.
#include "estimator/forecast/copula.hpp"

#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "estimator/forecast/distribution.hpp"
#include "estimator/forecast/random_stream.hpp"

namespace forerun {
namespace {

TEST(CopulaPearson, AgreesWithTable) {
  EXPECT_NEAR(copula_pearson(0.3), 0.31287, 5e-6);
  EXPECT_NEAR(copula_pearson(0.5), 0.51764, 5e-6);
  EXPECT_NEAR(copula_pearson(0.8), 0.81347, 5e-6);
  EXPECT_NEAR(copula_pearson(-0.3), -0.31287, 5e-6);
}

TEST(CopulaFactor, OfTwoIsCorrelationAndItsComplement) {
  const double rho = copula_pearson(0.5);
  const std::array<CorrelatedPair, 1> pairs = {{{0, 1, 0.5}}};
  const CopulaFactor factor = copula_factor(2, pairs);
  EXPECT_NEAR(factor.rows[2], rho, 1e-15);
  EXPECT_NEAR(factor.rows[3], std::sqrt(1.0 - rho * rho), 1e-15);
  EXPECT_FALSE(factor.was_repaired);
}

TEST(CopulaFactor, LeavesUncorrelatedInputsAlone) {
  const std::array<CorrelatedPair, 1> pairs = {{{0, 2, 0.5}}};
  std::array<double, 3> normals = {0.3, -1.2, 0.7};
  copula_factor(3, pairs).apply(normals);
  EXPECT_DOUBLE_EQ(normals[0], 0.3);
  EXPECT_DOUBLE_EQ(normals[1], -1.2);
}

TEST(CopulaFactor, CorrelatesSampledNormals) {
  const std::array<CorrelatedPair, 1> pairs = {{{0, 1, 0.8}}};
  const CopulaFactor factor = copula_factor(2, pairs);
  constexpr int n = 50'000;
  double product = 0.0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const auto uniforms = uniform_pair(5, i, 0);
    std::array<double, 2> normals = {normal_quantile(uniforms[0]), normal_quantile(uniforms[1])};
    factor.apply(normals);
    product += normals[0] * normals[1];
  }
  // Var(XY) = 1 + rho^2 for standard normals.
  const double rho = 0.81347;
  EXPECT_NEAR(product / n, rho, 4.0 * std::sqrt((1.0 + rho * rho) / n));
}

TEST(CopulaFactor, RepairsContradictionsAndSaysSo) {
  // A goes with B, B goes with C, A goes against C: no such joint distribution.
  const std::array<CorrelatedPair, 3> pairs = {{{0, 1, 0.9}, {1, 2, 0.9}, {0, 2, -0.9}}};
  const CopulaFactor factor = copula_factor(3, pairs);
  EXPECT_TRUE(factor.was_repaired);
  for (std::size_t row = 0; row < 3; ++row) {
    double norm = 0.0;
    for (std::size_t column = 0; column < 3; ++column) {
      norm += factor.rows[row * 3 + column] * factor.rows[row * 3 + column];
    }
    EXPECT_NEAR(norm, 1.0, 1e-12);
  }
}

}  // namespace
}  // namespace forerun
