// The fitted roofline against times made from known parameters.
#include "estimator/profile/roofline.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(Roofline, IsTheLaunchTheSlowerLimitAndARoundedCorner) {
  const Roofline roofline{1e-6, 1e12, 1e9};
  EXPECT_NEAR(roofline.seconds(1e12, 1.0), 1.0 + 1e-6, 1e-12);
  EXPECT_NEAR(roofline.seconds(1.0, 1e9), 1.0 + 1e-6, 1e-12);
  EXPECT_NEAR(roofline.seconds(1e12, 1e9), std::pow(2.0, 0.25) + 1e-6, 1e-12);
}

std::vector<Work> made_points(const Roofline& truth) {
  std::vector<Work> points;
  for (int i = 0; i < 40; ++i) {
    const double flop = std::pow(10.0, 7.0 + 0.15 * i);
    const double bytes = std::pow(10.0, 5.0 + 0.25 * ((i * 7) % 20));
    points.push_back({flop, bytes, truth.seconds(flop, bytes)});
  }
  return points;
}

TEST(FitRoofline, RecoversTheParametersThatTheTimesWereMadeFrom) {
  const Roofline truth{4e-6, 6e11, 1.5e9};
  const auto fitted = fit_roofline(made_points(truth), Limits::flop_and_bytes);
  ASSERT_TRUE(fitted.has_value());
  EXPECT_NEAR(fitted->launch_s / truth.launch_s, 1.0, 0.02);
  EXPECT_NEAR(fitted->flop_per_s / truth.flop_per_s, 1.0, 0.02);
  EXPECT_NEAR(fitted->byte_per_s / truth.byte_per_s, 1.0, 0.02);
}

TEST(FitRoofline, IsNotPulledAwayByAnOutlier) {
  const Roofline truth{4e-6, 6e11, 1.5e9};
  auto points = made_points(truth);
  points[20].seconds *= 100.0;
  const auto fitted = fit_roofline(points, Limits::flop_and_bytes);
  ASSERT_TRUE(fitted.has_value());
  EXPECT_NEAR(fitted->flop_per_s / truth.flop_per_s, 1.0, 0.1);
  EXPECT_NEAR(fitted->byte_per_s / truth.byte_per_s, 1.0, 0.1);
}

TEST(FitRoofline, NeedsMorePointsThanParameters) {
  const auto points = made_points({4e-6, 6e11, 1.5e9});
  EXPECT_FALSE(fit_roofline(std::span(points).first(3), Limits::flop_and_bytes).has_value());
}

TEST(FitRoofline, LeavesFlopOutWhereTheyCannotLimit) {
  const auto fitted = fit_roofline(made_points({4e-6, 1e20, 1.5e9}), Limits::bytes);
  ASSERT_TRUE(fitted.has_value());
  EXPECT_NEAR(fitted->byte_per_s / 1.5e9, 1.0, 0.02);
  EXPECT_TRUE(std::isinf(fitted->flop_per_s));
}

}  // namespace
}  // namespace forerun
