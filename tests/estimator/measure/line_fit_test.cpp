// Lines and their intervals, against tables and hand work.
#include "estimator/measure/line_fit.hpp"

#include <array>
#include <stdexcept>

#include <gtest/gtest.h>

namespace forerun {
namespace {

// Student's t, two-sided 95 %, as printed in tables.
TEST(StudentT, AgreesWithTables) {
  EXPECT_NEAR(student_t(0.95, 1), 12.706, 5e-4);
  EXPECT_NEAR(student_t(0.95, 2), 4.303, 5e-4);
  EXPECT_NEAR(student_t(0.95, 3), 3.182, 5e-4);
  EXPECT_NEAR(student_t(0.95, 10), 2.228, 5e-4);
  EXPECT_NEAR(student_t(0.95, 30), 2.042, 5e-4);
  EXPECT_NEAR(student_t(0.9, 1), 6.314, 5e-4);
  EXPECT_NEAR(student_t(0.9, 8), 1.860, 5e-4);
}

TEST(FitLine, ThroughPointsOfALineIsExact) {
  const std::array<LinePoint, 4> points{{{0, 1}, {1, 3}, {2, 5}, {5, 11}}};
  const LineFit fit = fit_line(points);
  EXPECT_NEAR(fit.slope, 2.0, 1e-12);
  EXPECT_NEAR(fit.intercept, 1.0, 1e-12);
  EXPECT_NEAR(fit.slope_half_width, 0.0, 1e-9);
}

// By hand: (1, 1), (2, 3), (3, 2): mean 2, 2; slope 1/2; intercept 1; residuals -1/2, 1, -1/2, so
// s^2 = 1.5 and, with t(1) = 12.706, half-widths 12.706 sqrt(1.5 / 2) and 12.706 sqrt(1.5 (1/3 +
// 4/2)).
TEST(FitLine, HasIntervalsByHand) {
  const std::array<LinePoint, 3> points{{{1, 1}, {2, 3}, {3, 2}}};
  const LineFit fit = fit_line(points);
  EXPECT_NEAR(fit.slope, 0.5, 1e-12);
  EXPECT_NEAR(fit.intercept, 1.0, 1e-12);
  EXPECT_NEAR(fit.slope_half_width, 11.004, 1e-3);
  EXPECT_NEAR(fit.intercept_half_width, 23.771, 2e-3);
}

TEST(FitLine, NeedsThreePlaces) {
  const std::array<LinePoint, 3> points{{{1, 1}, {1, 3}, {1, 2}}};
  EXPECT_THROW((void)fit_line(points), std::invalid_argument);
}

}  // namespace
}  // namespace forerun
