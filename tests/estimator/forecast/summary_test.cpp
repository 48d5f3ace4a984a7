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
