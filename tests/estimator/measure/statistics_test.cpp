// Medians, their intervals, and when sampling may stop.
#include "estimator/measure/statistics.hpp"

#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

std::vector<Seconds> seconds(std::initializer_list<double> values) {
  std::vector<Seconds> result;
  for (const double value : values) {
    result.push_back(value * unit::second);
  }
  return result;
}

TEST(TimingOf, TakesTheMiddleOfUnsortedSamples) {
  EXPECT_DOUBLE_EQ(timing_of(seconds({3, 1, 2})).median.in(unit::second), 2.0);
  EXPECT_DOUBLE_EQ(timing_of(seconds({4, 1, 2, 3})).median.in(unit::second), 2.5);
}

TEST(TimingOf, IgnoresOneWildSample) {
  const Timing timing = timing_of(seconds({1, 1, 1, 1, 100}));
  EXPECT_DOUBLE_EQ(timing.median.in(unit::second), 1.0);
  EXPECT_DOUBLE_EQ(timing.least.in(unit::second), 1.0);
}

TEST(TimingOf, TakesItsIntervalFromOrderStatistics) {
  // n = 100: ranks 50 -+ 9.8, so floor(40.2) = 40 and ceil(59.8) = 60 of 0 .. 99.
  std::vector<Seconds> samples;
  for (int i = 0; i < 100; ++i) {
    samples.push_back(static_cast<double>(i) * unit::second);
  }
  const Timing timing = timing_of(samples);
  EXPECT_DOUBLE_EQ(timing.low.in(unit::second), 40.0);
  EXPECT_DOUBLE_EQ(timing.high.in(unit::second), 60.0);
  EXPECT_DOUBLE_EQ(timing.p95.in(unit::second), 94.0);
}

TEST(IsSettled, NeedsTenSamplesHoweverSteady) {
  EXPECT_FALSE(is_settled(seconds({1, 1, 1, 1, 1, 1, 1, 1, 1}), 0.01));
  EXPECT_TRUE(is_settled(seconds({1, 1, 1, 1, 1, 1, 1, 1, 1, 1}), 0.01));
}

TEST(IsSettled, GoesOnWhileTheMedianIsUncertain) {
  EXPECT_FALSE(is_settled(seconds({1, 2, 1, 2, 1, 2, 1, 2, 1, 2}), 0.03));
}

}  // namespace
}  // namespace forerun
