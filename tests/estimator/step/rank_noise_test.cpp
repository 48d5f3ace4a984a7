// Waiting of ranks for the slowest of them: worked by hand, at its limits, against normal times.
#include "estimator/step/rank_noise.hpp"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

std::vector<Seconds> seconds(const std::vector<double>& times) {
  std::vector<Seconds> result;
  for (const double time : times) {
    result.push_back(time * unit::second);
  }
  return result;
}

const NoisePoint* find(const std::vector<NoisePoint>& points, std::int64_t ranks, double work_s) {
  for (const NoisePoint& point : points) {
    if (point.ranks == ranks && std::abs(point.work.in(unit::second)-work_s) < 1e-12) {
      return &point;
    }
  }
  return nullptr;
}

// One kernel of 1 s; each rank takes 5 s once, at different times.
TEST(RankNoise, CountsTheSlowestOfEachWindow) {
  const auto points =
      noise_points({seconds({5, 1, 1, 1, 1, 1, 1, 1}), seconds({1, 1, 1, 5, 1, 1, 1, 1})}, 1);
  // Alone 12 s in place of 8.
  ASSERT_NE(find(points, 1, 1.0), nullptr);
  EXPECT_NEAR(find(points, 1, 1.0)->excess, 0.5, 1e-12);
  EXPECT_NEAR(find(points, 1, 2.0)->excess, 0.5, 1e-12);
  // Meeting after each: 5 + 1 + 1 + 5 + 4 = 16 s. After every other: 6 + 6 + 2 + 2 = 16 s.
  EXPECT_NEAR(find(points, 2, 1.0)->excess, 1.0, 1e-12);
  EXPECT_NEAR(find(points, 2, 2.0)->excess, 1.0, 1e-12);
  // Work of 4 s fits twice into 8, which is too seldom to say anything.
  EXPECT_EQ(find(points, 2, 4.0), nullptr);
}

TEST(RankNoise, TakesEachKernelByItsOwnMedian) {
  // Two kernels, of 1 and 10 s; the second rank always takes half as long again.
  const auto points = noise_points(
      {seconds({1, 10, 1, 10, 1, 10, 1, 10}), seconds({1.5, 15, 1.5, 15, 1.5, 15, 1.5, 15})}, 2);
  // The mean of the medians is 1.25 and 12.5 s; all wait for 1.5 and 15 s: 1.2 times as much.
  ASSERT_NE(find(points, 2, 13.75), nullptr);
  EXPECT_NEAR(find(points, 2, 13.75)->excess, 0.2, 1e-12);
  EXPECT_NEAR(find(points, 1, 13.75)->excess, 0.0, 1e-12);
}

TEST(RankNoise, RanksThatNeverDifferWaitForNobody) {
  const RankNoise noise(noise_points({seconds({1, 2, 1, 2, 1, 2, 1, 2}),
                                      seconds({1, 2, 1, 2, 1, 2, 1, 2}),
                                      seconds({1, 2, 1, 2, 1, 2, 1, 2})},
                                     2));
  EXPECT_NEAR(noise.wait(1.0 * unit::second, 3), 0.0, 1e-12);
  EXPECT_NEAR(noise.wait(1.0 * unit::day, 1000), 0.0, 1e-12);
}

TEST(RankNoise, KnowsNothingWithoutPoints) {
  const RankNoise noise;
  EXPECT_TRUE(noise.empty());
  EXPECT_EQ(noise.excess(1.0 * unit::second, 64), 0.0);
  EXPECT_EQ(noise.wait(1.0 * unit::second, 64), 0.0);
}

// Independent normal times of mean 1 and deviation 0.1: of n the slowest takes 0.1 E[max of n]
// more, E[max] = 1/sqrt(pi) of two and 1.0294 of four; after m kernels the root of m of it,
// relatively.
TEST(RankNoise, FollowsTheExpectedMaximumOfIndependentTimes) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> time(1.0, 0.1);
  KernelTimes times(4);
  for (auto& rank : times) {
    for (int i = 0; i < 1 << 15; ++i) {
      rank.push_back(time(random) * unit::second);
    }
  }
  const RankNoise noise(noise_points(times, 1));
  EXPECT_NEAR(noise.excess(1.0 * unit::second, 2), 0.1 * 0.56419, 0.002);
  EXPECT_NEAR(noise.excess(1.0 * unit::second, 4), 0.1 * 1.02938, 0.002);
  EXPECT_NEAR(noise.excess(16.0 * unit::second, 4), 0.1 * 1.02938 / 4.0, 0.002);
  EXPECT_NEAR(noise.excess(1.0 * unit::second, 1), 0.0, 0.002);
  EXPECT_NEAR(noise.wait(1.0 * unit::second, 4), 0.1 * 1.02938, 0.002);
}

TEST(RankNoise, MoreRanksAndLessWorkNeverWaitRelativelyLess) {
  std::mt19937_64 random(11);
  std::lognormal_distribution<double> time(0.0, 0.2);
  KernelTimes times(3);
  for (auto& rank : times) {
    for (int i = 0; i < 4096; ++i) {
      rank.push_back(time(random) * unit::second);
    }
  }
  const RankNoise noise(noise_points(times, 1));
  for (const double work : {0.1, 1.0, 3.0, 100.0, 1e6}) {
    for (const std::int64_t ranks : {1, 2, 3, 4, 64, 16384}) {
      EXPECT_LE(noise.wait(work * unit::second, ranks), noise.wait(work * unit::second, ranks + 1));
      EXPECT_GE(noise.wait(work * unit::second, ranks),
                noise.wait(2.0 * work * unit::second, ranks));
    }
  }
}

TEST(RankNoise, GrowsBeyondWhatWasMeasuredWithTheRootOfTheLogarithm) {
  const RankNoise noise({{1, 1.0 * unit::second, 0.0}, {2, 1.0 * unit::second, 0.03}});
  EXPECT_NEAR(noise.wait(1.0 * unit::second, 16), 0.03 * 2.0, 1e-12);  // ln 16 = 4 ln 2
}

TEST(RankNoise, InterpolatesInTheLogarithms) {
  const RankNoise noise({{1, 1.0 * unit::second, 0.0},
                         {2, 1.0 * unit::second, 0.02},
                         {2, 100.0 * unit::second, 0.01},
                         {8, 1.0 * unit::second, 0.06}});
  EXPECT_NEAR(noise.excess(10.0 * unit::second, 2), 0.015, 1e-12);
  EXPECT_NEAR(noise.excess(0.01 * unit::second, 2), 0.02, 1e-12);
  EXPECT_NEAR(noise.excess(1e4 * unit::second, 2), 0.01, 1e-12);
  EXPECT_NEAR(noise.excess(1.0 * unit::second, 4), 0.04, 1e-12);
}

TEST(RankNoise, PiecesAreAveraged) {
  const auto mean = mean_of({{{2, 1.0 * unit::second, 0.02}}, {{2, 3.0 * unit::second, 0.04}}});
  ASSERT_EQ(mean.size(), 1U);
  EXPECT_NEAR(mean[0].work.in(unit::second), 2.0, 1e-12);
  EXPECT_NEAR(mean[0].excess, 0.03, 1e-12);
}

}  // namespace
}  // namespace forerun
