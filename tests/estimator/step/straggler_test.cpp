// Stragglers: by hand, at their limits, and against the exact expectation of the slowest.
#include "estimator/step/straggler.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(Stragglers, NothingIsAssumed) {
  EXPECT_EQ(straggler_factor({}, 1000), 1.0);
}

TEST(Stragglers, TheSlowestDeviceIsTakenOverTheMedian) {
  EXPECT_DOUBLE_EQ(slowest_device_factor(std::vector{2.0, 1.0, 2.2, 2.0}), 1.1);
  EXPECT_DOUBLE_EQ(slowest_device_factor(std::vector{3.0}), 1.0);
}

TEST(Stragglers, TransientsGrowWithTheRootOfTheLogarithm) {
  EXPECT_EQ(transient_factor(0.01, 1), 1.0);
  // sqrt(2 ln 1000) = sqrt(13.8155) = 3.7169.
  EXPECT_NEAR(transient_factor(0.01, 1000), 1.037169, 1e-6);
}

// E[max] of n standard normals = integral of 1 - Phi^n over x > 0 less that of Phi^n over x < 0.
double expected_maximum(std::int64_t n) {
  const double step = 1e-3;
  double sum = 0.0;
  for (double x = 0.5 * step; x < 10.0; x += step) {
    const double above = 0.5 * std::erfc(-x / std::sqrt(2.0));
    const double below = 0.5 * std::erfc(x / std::sqrt(2.0));
    const auto count = static_cast<double>(n);
    sum += step * (1.0 - std::pow(above, count) - std::pow(below, count));
  }
  return sum;
}

TEST(Stragglers, BoundTheExpectedSlowestFromAbove) {
  for (const std::int64_t n : {2, 8, 64, 1024, 16384}) {
    const double exact = expected_maximum(n);
    const double ours = transient_factor(1.0, n) - 1.0;
    EXPECT_GE(ours, exact);
    EXPECT_LE(ours, exact * (n < 8 ? 2.2 : 1.45));
  }
  EXPECT_NEAR(expected_maximum(2), 1.0 / std::sqrt(std::acos(-1.0)), 1e-6);  // 1 / sqrt(pi)
}

TEST(Stragglers, StaticAndTransientMultiply) {
  EXPECT_NEAR(straggler_factor({1.05, 0.01, std::nullopt}, 1000), 1.05 * 1.037169, 1e-6);
}

TEST(Stragglers, TheWorstThatWasSeenBoundsTheTransients) {
  EXPECT_DOUBLE_EQ(straggler_factor({std::nullopt, 0.01, 1.02}, 1000), 1.02);
}

}  // namespace
}  // namespace forerun
