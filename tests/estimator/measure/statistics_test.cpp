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

TEST(TimingOf, TakesTheMedianDeviationFromTheMedian) {
  // Deviations from 3: 2, 1, 0, 1, 97; their median is 1.
  EXPECT_DOUBLE_EQ(timing_of(seconds({1, 2, 3, 4, 100})).mad.in(unit::second), 1.0);
}

std::vector<Seconds> twelve(auto value) {
  std::vector<Seconds> samples;
  for (int i = 0; i < 12; ++i) {
    samples.push_back(value(i) * unit::second);
  }
  return samples;
}

TEST(TimingFlags, AreNotSetOnSteadySamples) {
  const Timing timing = timing_of(twelve([](int i) { return 1.0 + 0.001 * (i % 3); }));
  EXPECT_FALSE(timing.is_unsettled);
  EXPECT_FALSE(timing.is_drifting);
  EXPECT_FALSE(timing.is_spread);
}

TEST(TimingFlags, TellDriftFromItsOrder) {
  const auto rising = twelve([](int i) { return 1.0 + 0.004 * i; });
  EXPECT_TRUE(timing_of(rising).is_drifting);
  auto mixed = rising;
  for (std::size_t i = 0; i < 6; i += 2) {
    std::swap(mixed[i], mixed[11 - i]);
  }
  EXPECT_FALSE(timing_of(mixed).is_drifting);
}

TEST(TimingFlags, SeeTwoModesAndLongTails) {
  EXPECT_TRUE(timing_of(twelve([](int i) { return i % 2 == 0 ? 1.0 : 1.1; })).is_spread);
  EXPECT_TRUE(timing_of(twelve([](int i) { return i == 5 ? 1.3 : 1.0; })).is_spread);
  EXPECT_FALSE(timing_of(twelve([](int i) { return 1.0 + 0.01 * i; })).is_spread);
}

// Three samples of 16 ms, a slice of the scheduler, were once taken for a settled kernel of 20 us.
TEST(TimingFlags, SayThatFewerThanSixSamplesHaveNoInterval) {
  EXPECT_TRUE(timing_of(seconds({1, 1, 1})).is_unsettled);
  EXPECT_TRUE(timing_of(seconds({1, 1, 1, 1, 1})).is_unsettled);
  EXPECT_FALSE(timing_of(seconds({1, 1, 1, 1, 1, 1})).is_unsettled);
}

TEST(TimingFlags, SayThatTheIntervalIsWiderThanAsked) {
  const auto samples = twelve([](int i) { return 1.0 + 0.02 * i; });
  EXPECT_TRUE(timing_of(samples, 0.01).is_unsettled);
  EXPECT_FALSE(timing_of(samples, 0.2).is_unsettled);
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
