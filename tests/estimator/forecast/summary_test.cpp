// Quantiles by rank and the fixed-order mean.
#include "estimator/forecast/summary.hpp"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

namespace forerun {
namespace {

std::vector<double> one_to(int count) {
  std::vector<double> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

TEST(Summarise, TakesQuantilesByRank) {
  std::vector<double> values = one_to(100);
  std::ranges::reverse(values);
  const Summary summary = summarise(values);
  EXPECT_EQ(summary.p5, 5.0);
  EXPECT_EQ(summary.p25, 25.0);
  EXPECT_EQ(summary.p50, 50.0);
  EXPECT_EQ(summary.p75, 75.0);
  EXPECT_EQ(summary.p95, 95.0);
  EXPECT_DOUBLE_EQ(summary.mean, 50.5);
}

TEST(Summarise, OfOneValueIsThatValue) {
  const Summary summary = summarise({3.5});
  EXPECT_EQ(summary.p5, 3.5);
  EXPECT_EQ(summary.p95, 3.5);
  EXPECT_EQ(summary.mean, 3.5);
}

// 100 draws from 1 to 100; p5 5, p50 50, p95 95: over 50 * (5/50)^2 = 0.5, so from the least, to
// the most, 2 decades. 20 bins a decade are 41 up to the edge above 100.
TEST(Histogram, CountsEveryDrawOnce) {
  const std::vector<double> draws = one_to(100);
  const Histogram bins = histogram(draws, summarise(draws));
  ASSERT_EQ(bins.shares.size(), 41U);
  EXPECT_EQ(bins.edges.size(), 42U);
  EXPECT_EQ(bins.below + bins.above, 0.0);
  EXPECT_NEAR(std::accumulate(bins.shares.begin(), bins.shares.end(), 0.0), 1.0, 1e-12);
  EXPECT_DOUBLE_EQ(bins.edges[20], 10.0);
  // 10 and 11 lie in [10, 11.22).
  EXPECT_DOUBLE_EQ(bins.shares[20], 0.02);
}

// Quantiles of 1, 100 and 10,000: the tail ends at 100 * 100^2 = 1e6; the one of a hundred thousand
// times that is counted beside.
TEST(Histogram, CountsFarTailsBeside) {
  std::vector<double> draws(100, 100.0);
  std::fill_n(draws.begin(), 10, 1.0);
  std::fill_n(draws.end() - 10, 9, 1e4);
  draws.back() = 1e11;
  const Histogram bins = histogram(draws, summarise(draws));
  EXPECT_LE(bins.shares.size(), 60U);
  EXPECT_EQ(bins.below, 0.0);
  EXPECT_DOUBLE_EQ(bins.above, 0.01);
  EXPECT_NEAR(std::accumulate(bins.shares.begin(), bins.shares.end(), bins.above), 1.0, 1e-12);
}

TEST(Histogram, OfOneValueIsOneBin) {
  const std::vector<double> draws{3.5};
  EXPECT_EQ(histogram(draws, summarise(draws)).shares, std::vector<double>{1.0});
}

TEST(Histogram, DoesNotDependOnTheOrderOfTheDraws) {
  std::vector<double> draws = one_to(1000);
  const auto forwards = histogram(draws, summarise(draws));
  std::ranges::reverse(draws);
  EXPECT_EQ(histogram(draws, summarise(draws)).shares, forwards.shares);
}

TEST(PairwiseSum, IsExactForWholeNumbers) {
  EXPECT_EQ(pairwise_sum(one_to(10'000)), 50'005'000.0);
}

TEST(PairwiseSum, LosesLessThanARunningOne) {
  const std::vector<double> tenths(1'000'000, 0.1);
  EXPECT_NEAR(pairwise_sum(tenths), 100'000.0, 1e-9);
}

TEST(Scaled, MultipliesEveryMember) {
  const Summary summary = scaled({1, 2, 3, 4, 5, 6}, 2.0);
  EXPECT_EQ(summary.p5, 2.0);
  EXPECT_EQ(summary.p95, 10.0);
  EXPECT_EQ(summary.mean, 12.0);
}

}  // namespace
}  // namespace forerun
