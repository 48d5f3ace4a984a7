// Growth, crossing dates, doubling times and the 2022 projection's rows.
#include "estimator/forecast/trend.hpp"

#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using unit::flop;

Trend since_mid_2025(double factor) {
  return {.anchor = 5e26 * flop, .anchor_year = 2025.52, .factor_per_year = factor};
}

struct CrossingRow {
  double factor;
  std::array<double, 4> years;
  double in_2030;
};

class Crossing : public ::testing::TestWithParam<CrossingRow> {};

TEST_P(Crossing, AgreesWithTable) {
  const Trend trend = since_mid_2025(GetParam().factor);
  const std::array<double, 4> targets = {1e27, 1e28, 4.7e28, 2e29};
  for (std::size_t i = 0; i < targets.size(); ++i) {
    EXPECT_NEAR(crossing(trend, targets.at(i) * flop), GetParam().years.at(i), 0.0051);
  }
}

TEST_P(Crossing, ReachesTabulated2030) {
  EXPECT_NEAR(
      growth(since_mid_2025(GetParam().factor), 2030.0).in(flop) / GetParam().in_2030, 1.0, 2e-3);
}

INSTANTIATE_TEST_SUITE_P(
    SectionJ1,
    Crossing,
    ::testing::Values(CrossingRow{4.0, {2026.02, 2027.68, 2028.80, 2029.84}, 2.49e29},
                      CrossingRow{4.5, {2025.98, 2027.51, 2028.54, 2029.50}, 4.22e29},
                      CrossingRow{5.0, {2025.95, 2027.38, 2028.34, 2029.24}, 6.77e29}));

TEST(Growth, IsUndoneByCrossing) {
  const Trend trend = since_mid_2025(3.3);
  EXPECT_NEAR(crossing(trend, growth(trend, 2028.25)), 2028.25, 1e-9);
}

TEST(Growth, BacktestOvershootsBy14HundredthsOfADecade) {
  // 3.14e23 in 2020.41 at 4.5 a year: 6.84e26 in 2025.52 where 5e26 was observed.
  const Trend trend{.anchor = 3.14e23 * flop, .anchor_year = 2020.41, .factor_per_year = 4.5};
  const double predicted = growth(trend, 2025.52).in(flop);
  EXPECT_NEAR(predicted / 6.84e26, 1.0, 2e-3);
  EXPECT_NEAR(std::log10(5e26 / predicted), -0.14, 0.005);
}

TEST(DoublingTime, AgreesWithConversions) {
  const auto months = [](double factor) { return doubling_time(factor) / (unit::year / 12.0); };
  EXPECT_NEAR(months(2.4), 9.50, 0.005);
  EXPECT_NEAR(months(3.0), 7.57, 0.005);
  EXPECT_NEAR(months(4.0), 6.00, 1e-9);
  EXPECT_NEAR(months(4.5), 5.53, 0.005);
  EXPECT_NEAR(months(5.0), 5.17, 0.005);
  EXPECT_NEAR(months(1.37), 26.4, 0.05);
  EXPECT_NEAR(months(1.30), 31.7, 0.05);
  EXPECT_NEAR(months(1.28), 33.7, 0.05);
}

// B.1: the integral gives 28.2, 28.5 and 28.7 for 2030 from 10^24.1 in 2022.
TEST(Besiroglu, RevertsToMooreByTheBranch) {
  const auto log10_in_2030 = [](double reversion_year) {
    return std::log10(reverting_growth(besiroglu_reversion(reversion_year), 2030.0).in(unit::flop));
  };
  EXPECT_NEAR(log10_in_2030(2030.0), 28.2, 0.05);
  EXPECT_NEAR(log10_in_2030(2034.0), 28.5, 0.05);
  EXPECT_NEAR(log10_in_2030(2040.0), 28.7, 0.05);
  // By a midpoint sum of 200,000 steps in another program.
  EXPECT_NEAR(log10_in_2030(2030.0), 28.1903353, 1e-5);
  EXPECT_NEAR(log10_in_2030(2040.0), 28.7372779, 1e-5);
}

// Decades after R growth is Moore's, before it the fast one's.
TEST(Besiroglu, RevertingGrowthHasItsEnds) {
  const Reversion reversion = besiroglu_reversion(2030.0);
  const auto factor = [&](double from, double to) {
    return reverting_growth(reversion, to) / reverting_growth(reversion, from);
  };
  EXPECT_NEAR(factor(2022.0, 2022.01), std::pow(4.0, 0.01), 1e-5);
  EXPECT_NEAR(std::log2(factor(2070.0, 2080.0)), 6.0, 1e-3);
  EXPECT_DOUBLE_EQ(factor(2022.0, 2022.0), 1.0);
}

// J and B.1: bearish, middle and bullish weigh 1 together.
TEST(Besiroglu, BranchesWeighOne) {
  double weight = 0.0;
  for (const ReversionBranch& branch : reversion_branches) {
    weight += branch.weight;
  }
  EXPECT_DOUBLE_EQ(weight, 1.0);
}

TEST(Besiroglu, Reads2030AsPublished) {
  const ProjectionRow row = besiroglu_row(2030);
  EXPECT_EQ(row.low, 26.71);
  EXPECT_EQ(row.median, 28.67);
  EXPECT_EQ(row.high, 29.47);
  EXPECT_NEAR(std::pow(10.0, row.median), 4.68e28, 0.005e28);
}

TEST(Besiroglu, UpperEndOf2030IsNotTheReprintedOne) {  // later texts print 3.0e30
  const double high = std::pow(10.0, besiroglu_row(2030).high);
  EXPECT_NEAR(high / 2.95e29, 1.0, 2e-3);
  EXPECT_LT(high / 3.0e30, 0.11);
}

TEST(Besiroglu, HasTheSlopesOfItsTable) {  // 0.284 a year in the 2040s, 0.253 in the 2070s
  EXPECT_NEAR((besiroglu_row(2050).median - besiroglu_row(2040).median) / 10.0, 0.284, 1e-9);
  EXPECT_NEAR((besiroglu_row(2080).median - besiroglu_row(2070).median) / 10.0, 0.253, 1e-9);
}

TEST(Besiroglu, InterpolatesInTheLogarithm) {  // half way from 25.90 to 28.67
  EXPECT_NEAR(besiroglu_row(2027.5).median, 27.285, 1e-9);
}

TEST(Besiroglu, IsNotExtrapolated) {
  EXPECT_THROW((void)besiroglu_row(2081), InputError);
}

}  // namespace
}  // namespace forerun
