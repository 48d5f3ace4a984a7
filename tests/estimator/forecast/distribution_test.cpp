// Distributions against published quantiles and against each other.
#include "estimator/forecast/distribution.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(NormalQuantile, AgreesWithPublishedValues) {
  EXPECT_NEAR(normal_quantile(0.75), 0.6744897501960817, 1e-15);
  EXPECT_NEAR(normal_quantile(0.90), 1.2815515655446004, 1e-15);
  EXPECT_NEAR(normal_quantile(0.95), 1.6448536269514722, 1e-15);
  EXPECT_NEAR(normal_quantile(0.001), -3.090232306167813, 1e-14);  // Wichura's own check value
  EXPECT_NEAR(normal_quantile(1e-20), -9.262340089798408, 1e-13);  // the same
}

TEST(NormalQuantile, InvertsTheDistributionFunction) {
  for (double p = 1e-12; p < 1.0; p = p < 0.01 ? p * 3.0 : p + 0.007) {
    EXPECT_NEAR(normal_cdf(normal_quantile(p)) / p, 1.0, 1e-13) << p;
  }
}

TEST(Lognormal, TakesItsWidthFromTheLevel) {  // section 10: times or over 3 at 90 %
  const Lognormal d = lognormal_from({5e26 / 3.0, 0.05}, {5e26 * 3.0, 0.95});
  EXPECT_NEAR(d.median / 5e26, 1.0, 1e-12);
  EXPECT_NEAR(d.sigma, 0.667909, 1e-6);
}

TEST(Lognormal, IsDefinedByMedianAndOneQuantile) {  // section 10: kappa 3, upper 8.4
  const Lognormal d = lognormal_from({3.0, 0.5}, {8.4, 0.95});
  EXPECT_NEAR(d.median, 3.0, 1e-12);
  EXPECT_NEAR(d.sigma, 0.625964, 1e-6);
}

// The lognormal with the quartiles 0.4M and 10M: B25 and what follows from it.
Lognormal article_overhang() {
  return lognormal_from({0.4e6, 0.25}, {10e6, 0.75});
}

TEST(ArticleOverhang, HasItsMedianBelowTheStatedCentre) {
  EXPECT_NEAR(article_overhang().median, 2.0e6, 1e-3);
  EXPECT_NEAR(article_overhang().sigma, 2.386, 5e-4);
}

TEST(ArticleOverhang, HasTheTabulatedTails) {
  const Lognormal d = article_overhang();
  EXPECT_NEAR(value_at(d, normal_quantile(0.05)) / 39500.0, 1.0, 2e-3);
  EXPECT_NEAR(value_at(d, normal_quantile(0.95)) / 101e6, 1.0, 5e-3);
  EXPECT_NEAR(probability_above(d, 18e6), 0.179, 1.1e-3);
  EXPECT_NEAR(probability_above(d, 100e6), 0.0506, 5e-5);
  EXPECT_NEAR(1.0 - probability_above(d, 13600.0), 0.018, 5e-4);
  EXPECT_NEAR(mean_of(d) / 34.5e6, 1.0, 2e-3);
}

TEST(TwoPiece, KeepsTheCentreOfTheArticle) {
  const TwoPieceLognormal d = two_piece({0.4e6, 0.25}, 1.8e6, {10e6, 0.75});
  EXPECT_NEAR(d.sigma_low, 2.230, 5e-4);
  EXPECT_NEAR(d.sigma_high, 2.542, 5e-4);
  EXPECT_DOUBLE_EQ(median_of(d), 1.8e6);
}

TEST(TwoPiece, OfTheArticlesSpeedIsLopsided) {  // section C.2
  const TwoPieceLognormal d = two_piece({0.5, 0.25}, 5.0, {20.0, 0.75});
  EXPECT_NEAR(d.sigma_low, 3.414, 5e-4);
  EXPECT_NEAR(d.sigma_high, 2.055, 5e-4);
}

TEST(TwoPiece, ReturnsItsQuartiles) {
  const Distribution d = two_piece({0.5, 0.25}, 5.0, {20.0, 0.75});
  EXPECT_NEAR(value_at(d, normal_quantile(0.25)), 0.5, 1e-12);
  EXPECT_NEAR(value_at(d, normal_quantile(0.75)), 20.0, 1e-11);
}

TEST(LogTriangular, HasItsMedianAtTheModeWhenSymmetric) {
  EXPECT_NEAR(median_of(LogTriangular{1.0, 10.0, 100.0}), 10.0, 1e-9);
}

TEST(LogTriangular, HasAnEighthBelowAQuarterOfTheWay) {
  // F(x) = (ln x - ln low)^2 / ((high - low)(mode - low)): one eighth of 1 at half the way up.
  const Distribution d = LogTriangular{1.0, 10.0, 100.0};
  EXPECT_NEAR(value_at(d, normal_quantile(0.125)), std::sqrt(10.0), 1e-9);
}

TEST(Discrete, GivesEachValueItsWeight) {
  const Distribution d = Discrete{{1.0, 2.0, 5.0}, {0.2, 0.5, 0.3}};
  EXPECT_EQ(value_at(d, normal_quantile(0.19)), 1.0);
  EXPECT_EQ(value_at(d, normal_quantile(0.21)), 2.0);
  EXPECT_EQ(value_at(d, normal_quantile(0.69)), 2.0);
  EXPECT_EQ(value_at(d, normal_quantile(0.71)), 5.0);
}

TEST(Constant, IsTheSameEverywhere) {
  EXPECT_EQ(value_at(Constant{7.0}, -3.0), 7.0);
}

}  // namespace
}  // namespace forerun
