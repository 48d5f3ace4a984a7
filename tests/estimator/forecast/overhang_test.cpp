// Rows A1-A7, B1-B32 of the founding article's accounting, computed and published.
#include "estimator/forecast/overhang.hpp"

#include <array>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "estimator/forecast/learning.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using unit::flop;
using unit::year;

/// |value / expected - 1| <= tolerance.
void expect_within(double value, double expected, double tolerance) {
  EXPECT_NEAR(value / expected, 1.0, tolerance) << value << " against " << expected;
}

constexpr double exact = 1e-9;
constexpr double tight = 1e-6;

// A: GPT-3, 3.1e23 FLOP, 175e9 parameters, 3e11 tokens.
TEST(Gpt3, BudgetIsWorthNineHundredBillionPasses) {  // A1
  const double passes = 3.1e23 * flop / (3.5e11 * flop);
  expect_within(passes, 8.857142857e11, tight);
  expect_within(passes, 9e11, 0.02);
}

TEST(Gpt3, PassesAreKappaTimesTokens) {  // A2
  const double minutes = overhang_tokens(3e11, 3.0, 1.0).in(unit::minute);
  expect_within(minutes, 9e11, exact);
}

TEST(Gpt3, OverhangFromComputeIsPublishedFigure) {  // A3: 8.857142857e11 / 500 / 525960
  const double years = overhang(3.1e23 * flop, 3.5e11 * flop, 500.0).in(year);
  expect_within(years, 3367.991, tight);
  expect_within(years, 3400.0, 0.02);
}

TEST(Gpt3, OverhangFromTokensIsPublishedFigure) {  // A4: 9e11 / 500 / 525960
  const double years = overhang_tokens(3e11, 3.0, 500.0).in(year);
  expect_within(years, 3422.313, tight);
  expect_within(years, 3400.0, 0.02);
}

TEST(Gpt3, OverhangAtUnroundedSpeedIsPublishedFigure) {  // A5, published digits of the row
  // 3.1e23 / 3.5e11 / (380 * 4 / 3) / 525960 = 3323.675; the row's 3,377 stems from A4's passes.
  const double years = overhang(3.1e23 * flop, 3.5e11 * flop, 380.0 * 4.0 / 3.0).in(year);
  expect_within(years, 3323.675, tight);
  expect_within(overhang_tokens(3e11, 3.0, 380.0 * 4.0 / 3.0).in(year), 3377.0, 2e-4);
}

TEST(Gpt3, EightHourDaysTriplePersonYears) {  // A6
  const double years = overhang_tokens(3e11, 3.0, 500.0).in(year);
  expect_within(years * (unit::day / (8.0 * unit::hour)), 10266.94, tight);
}

TEST(JobYears, MakeMoreOfRoundTheClockYears) {  // A6a: 8766 / 2000 = 4.383
  expect_within(job_years_per_year(), 4.383, exact);
  expect_within(1.8e6 * job_years_per_year(), 7.89e6, 1e-3);
}

TEST(HumanDay, HoldsAQuarterMillionTokens) {  // A7
  const double tokens = 380.0 * 4.0 / 3.0 * (8.0 * unit::hour).in(unit::minute);
  expect_within(tokens, 243200.0, exact);
  expect_within(tokens, 240e3, 0.02);
}

struct Corpus {
  double tokens;
  double years;
};

class CorpusOverhang : public ::testing::TestWithParam<Corpus> {};

TEST_P(CorpusOverhang, AgreesWithTable) {
  expect_within(overhang_tokens(GetParam().tokens, 3.0, 500.0).in(year), GetParam().years, 1.5e-4);
}

INSTANTIATE_TEST_SUITE_P(SectionA,
                         CorpusOverhang,
                         ::testing::Values(Corpus{3e11, 3422},
                                           Corpus{1.3e13, 148300},
                                           Corpus{1.48e13, 168834},
                                           Corpus{1.5e13, 171116},
                                           Corpus{1.56e13, 177960},
                                           Corpus{3.6e13, 410678}));

// B.1: the article's chain to 2030.
TEST(Projection2030, GeometricMeanIsTenToThe28) {  // B1
  const double mean = std::sqrt(4.7e28 * 2.3e27);
  expect_within(mean, 1.0397115e28, tight);
  expect_within(mean, 1.0e28, 0.05);
}

TEST(Projection2030, GrowsThirtyThousandTimesOverGpt3) {  // B2, B3
  expect_within(1.0e28 / 3.1e23, 32258.06, tight);
  expect_within(1.0e28 / 3.1e23, 33000.0, 0.03);
  expect_within(std::sqrt(33000.0), 181.659, tight * 10);
  expect_within(std::sqrt(33000.0), 180.0, 0.01);
}

double overhang_ratio(double compute_ratio) {
  const OptimalRatio ratio;
  return optimal_sqrt(compute_ratio * 3.1e23 * flop, ratio, 500.0).work /
         optimal_sqrt(3.1e23 * flop, ratio, 500.0).work;
}

TEST(Projection2030, OverhangGrowsWithSquareRootOfCompute) {  // B4, B5
  expect_within(3400.0 * overhang_ratio(33000.0), 617641.0, 2e-6);
  expect_within(3400.0 * overhang_ratio(33000.0), 620000.0, 0.01);
  expect_within(3400.0 * overhang_ratio(33000.0) * 4.0, 2470563.0, 2e-6);
  expect_within(3400.0 * overhang_ratio(33000.0) * 4.0, 2.5e6, 0.02);
}

TEST(Projection2030, QuartilesSpreadByQuarterPower) {  // B6: 2470563 times or over 3.3896
  const double spread = overhang_ratio(std::sqrt(660.0 / 5.0));
  expect_within(spread, 3.390, 1e-3);
  expect_within(2470563.0 / spread, 0.729e6, 1e-3);
  expect_within(2470563.0 * spread, 8.37e6, 1e-3);
  expect_within(2.5e6 / spread, 0.8e6, 0.10);
  expect_within(2.5e6 * spread, 9e6, 0.10);
}

TEST(Projection2030, MetaculusAloneGivesItsOwnQuartiles) {  // B7
  // The row is rounded along the chain: its ratio of ends is that of the FLOP, to the half.
  expect_within(3400.0 * 4.0 * overhang_ratio(4.32e26 / 3.1e23), 0.51e6, 0.02);
  expect_within(3400.0 * 4.0 * overhang_ratio(5.70e28 / 3.1e23), 5.83e6, 0.02);
}

TEST(Metaculus, CountsPetaflopDays) {  // B8: 26.6e6 * 1e15 * 86400
  const Flops median = 26.6e6 * 1e15 * (flop / unit::second) * unit::day;
  expect_within(median.in(flop), 2.29824e27, tight);
  expect_within(median.in(flop), 2.3e27, 0.01);
}

// B.2: compute-optimal runs at r = 20, kappa = 3, tau = 500.
struct OptimalRow {
  double compute;
  double parameters;
  double passes;
  double years;
};

class OptimalSqrt : public ::testing::TestWithParam<OptimalRow> {};

TEST_P(OptimalSqrt, AgreesWithTable) {
  const OptimalRow& row = GetParam();
  const OptimalRun run = optimal_sqrt(row.compute * flop, OptimalRatio{}, 500.0);
  expect_within(run.parameters, row.parameters, 3e-4);
  expect_within(run.forward_passes, row.passes, 1e-4);
  expect_within(run.work.in(year), row.years, 1e-4);
}

// B9, B10, B11, B12, B13, B14, B15, B16.
INSTANTIATE_TEST_SUITE_P(RowsB9ToB16,
                         OptimalSqrt,
                         ::testing::Values(OptimalRow{3.1e23, 5.083e10, 3.0496e12, 11596},
                                           OptimalRow{2.1e25, 4.183e11, 2.5100e13, 95444},
                                           OptimalRow{5e26, 2.041e12, 1.2247e14, 465718},
                                           OptimalRow{2.3e27, 4.378e12, 2.6268e14, 998854},
                                           OptimalRow{1e28, 9.129e12, 5.4772e14, 2082754},
                                           OptimalRow{4.7e28, 1.979e13, 1.1874e15, 4515302},
                                           OptimalRow{2e29, 4.082e13, 2.4495e15, 9314358},
                                           OptimalRow{1e30, 9.129e13, 5.4772e15, 20827537}));

TEST(OptimalRun, SpendsItsBudget) {
  const OptimalRun run = optimal_sqrt(1e26 * flop, OptimalRatio{}, 500.0);
  expect_within(6.0 * run.parameters * run.training_tokens, 1e26, exact);
}

TEST(OptimalRun, AgreesWithOverhangOfItsModel) {
  const OptimalRun run = optimal_sqrt(1e26 * flop, OptimalRatio{}, 500.0);
  expect_within(overhang(1e26 * flop, 2.0 * run.parameters * flop, 500.0) / run.work, 1.0, exact);
}

double log_slope(double at_low, double at_high, double factor) {
  return std::log(at_high / at_low) / std::log(factor);
}

TEST(OverhangElasticity, IsOneHalfForCompute) {
  EXPECT_NEAR(log_slope(overhang_ratio(1.0), overhang_ratio(7.0), 7.0), 0.5, 1e-12);
}

TEST(OverhangElasticity, IsOneHalfForTokensPerParameterAndKappa) {
  const auto work = [](double r, double kappa) {
    return optimal_sqrt(1e28 * flop, {.tokens_per_parameter = r, .kappa = kappa}, 500.0)
        .work.in(year);
  };
  EXPECT_NEAR(log_slope(work(20, 3), work(60, 3), 3.0), 0.5, 1e-12);
  EXPECT_NEAR(log_slope(work(20, 3), work(20, 9), 3.0), 0.5, 1e-12);
}

TEST(OverhangElasticity, IsMinusOneForSpeedOfThought) {
  const auto work = [](double tau) {
    return optimal_sqrt(1e28 * flop, OptimalRatio{}, tau).work.in(year);
  };
  EXPECT_NEAR(log_slope(work(500), work(1500), 3.0), -1.0, 1e-12);
}

TEST(Overhang, NeverFallsWithMoreCompute) {
  double previous = 0.0;
  for (double ratio = 1e-3; ratio < 1e9; ratio *= 1.7) {
    const double now = overhang_ratio(ratio);
    EXPECT_GT(now, previous);
    previous = now;
  }
}

// B.4: synthetic data.
TEST(SyntheticData, CostsEightPassesForFiveOfThirtyTwo) {  // B17, B18
  expect_within(synthetic_kappa(32.0, 5.0), 8.4, exact);
  expect_within(synthetic_kappa(32.0, 5.0) / 3.0, 2.8, exact);
}

double synthetic_gain() {
  const auto work = [](double kappa) {
    return optimal_sqrt(1e28 * flop, {.tokens_per_parameter = 20.0, .kappa = kappa}, 500.0).work;
  };
  return work(synthetic_kappa(32.0, 5.0)) / work(3.0);
}

TEST(SyntheticData, RaisesOverhangByRootOfKappa) {  // B19, B20
  expect_within(synthetic_gain(), 1.6733201, tight);
  expect_within(synthetic_gain(), 1.7, 0.02);
  expect_within(std::sqrt(33000.0) * synthetic_gain(), 304.0, 1e-3);
  expect_within(std::sqrt(33000.0) * synthetic_gain(), 300.0, 0.02);
}

TEST(SyntheticData, WithoutRejectionIsPlainTraining) {
  expect_within(synthetic_kappa(1.0, 1.0), 3.0, exact);
}

TEST(PublishedCentre, DisagreesWithItsOwnMultiplier) {  // B21, B22 (DISC), B23, B24
  constexpr double base = 3400.0 * 4.0;
  expect_within(12.0 * base, 163200.0, exact);
  expect_within(100.0 * base, 1.36e6, exact);
  expect_within(200.0 * base, 2.72e6, exact);
  expect_within(1.8e6 / base, 132.4, 1e-3);
  // 1.8M is 32 % above 1.36M: a discrepancy of the source, not to be tuned away.
  EXPECT_GT(std::abs(1.8e6 / (100.0 * base) - 1.0), 0.30);
}

// B.5: comparators.
TEST(Gpt4, LearningCapacityIsCopies) {  // B26, D5
  expect_within(125.0 * 365.25, 45656.25, exact);
}

TEST(Gpt3, LearnsLessThanACenturyADay) {  // B27, published "under 100": under 36,525 copies
  expect_within(learning_rate(36525.0), 100.0, exact);
  EXPECT_LT(36525.0, 125.0 * 365.25);  // fewer than GPT-4's
}

TEST(LargestModel, NaiveRatioIsNotThePublishedOne) {  // B28
  const auto passes = [](double compute) { return compute * flop / (2.0 * 2.5e15 * flop); };
  expect_within(passes(1e28), 2.0e12, exact);
  expect_within(passes(2.3e27), 4.6e11, exact);
  expect_within(passes(4.7e28), 9.4e12, exact);
  for (const double compute : {1e28, 2.3e27, 4.7e28}) {
    EXPECT_GT(std::abs(passes(compute) / 9e11 - 1.0), 0.4);
  }
  expect_within(passes(4.5e27), 9e11, exact);
}

TEST(Karnofsky, HundredsOfMillionsAtTenToThe14) {  // B29
  const auto copy_years = [](double rate) {
    return (1e30 * flop / (rate * flop / unit::second)).in(year);
  };
  expect_within(copy_years(1e14), 3.17e8, 1e-3);
  expect_within(copy_years(1e15), 3.17e7, 1e-3);
  expect_within(copy_years(1.667e16), 1.90e6, 2e-3);
}

TEST(Karnofsky, HundredfoldComputeIsTenfoldOverhang) {  // B30: 18M, not 1.8M
  expect_within(1.8e6 * overhang_ratio(100.0), 18e6, exact);
  EXPECT_GT(std::abs(1.8e6 / (1.8e6 * overhang_ratio(100.0)) - 1.0), 0.8);
}

// B31, published 0.01 %: row G2's 2.177e25 FLOP over 95 days are 2.65e18 FLOP/s, so the world does
// 2.65e22, seventeen times the 1.6M H100 equivalents of AI devices that stood at the end of 2023.
TEST(Gpt4, TookATenThousandthOfTheWorldsCompute) {
  const FlopsPerSecond run = 2.177e25 * flop / (95.0 * unit::day);
  const FlopsPerSecond world = run / 1e-4;
  expect_within(world.in(flop / unit::second), 2.652e22, 1e-3);
  const FlopsPerSecond devices = 1.6e6 * 989.4e12 * flop / unit::second;
  expect_within(world / devices, 16.75, 1e-3);
}

// B32, published sizes 174e12 (on 37M cores) and 14.5e12 (at over 1 EFLOP/s). The optimum of 1e28
// FLOP (B13) is smaller than both, so the largest model is not the best one, and the passes that
// the budget buys of it are fewer: 2.87e13 against 5.48e14.
TEST(BaGuaLu, IsLargerThanTheOptimumOf2030) {
  const OptimalRun best = optimal_sqrt(1e28 * flop, OptimalRatio{}, 500.0);
  EXPECT_LT(best.parameters, 14.5e12);
  const double passes = 1e28 / (2.0 * 174e12);
  expect_within(passes, 2.873563e13, tight);
  EXPECT_LT(passes, best.forward_passes);
  // A token of training the smaller one, 6 N FLOP, takes 87 us at 1 EFLOP/s.
  expect_within(
      (6.0 * 14.5e12 * flop / (1e18 * flop / unit::second)).in(unit::microsecond), 87.0, exact);
}

// I.3: repeated data.
struct Repetition {
  double epochs;
  double worth;
};

class DataCap : public ::testing::TestWithParam<Repetition> {};

TEST_P(DataCap, AgreesWithTable) {
  expect_within(data_cap(1e12, GetParam().epochs), 1e12 * GetParam().worth, 3e-5);
}

TEST_P(DataCap, IsSolvedForItsEpochs) {
  const auto epochs = epochs_for(data_cap(1e12, GetParam().epochs), 1e12);
  // What endless passes are worth, no number of passes is.
  ASSERT_EQ(epochs.has_value(), std::isfinite(GetParam().epochs));
  if (epochs) {
    EXPECT_NEAR(*epochs / GetParam().epochs, 1.0, 1e-9);
  }
}

INSTANTIATE_TEST_SUITE_P(SectionI3,
                         DataCap,
                         ::testing::Values(Repetition{1, 1.0},
                                           Repetition{2, 1.9682},
                                           Repetition{4, 3.7257},
                                           Repetition{8, 6.6241},
                                           Repetition{16, 10.5825},
                                           Repetition{40, 15.1675},
                                           Repetition{std::numeric_limits<double>::infinity(),
                                                      16.3878}));

// J.6: a cluster as workers.
TEST(ConcurrentCopies, OfAMillionGpusAreTwentyMillion) {  // W1: 1e6 H100, MFU .1, 2.8e11, 500
  const FlopsPerSecond rate = 0.1 * 1e6 * 989.4e12 * flop / unit::second;
  expect_within(concurrent_copies(rate, 2.8e11, 500.0), 2.12e7, 2e-3);
}

TEST(ConcurrentCopies, SustainWhatTrainingWasWorth) {
  // 6 N D FLOP over t at rate R, run at 2 N a token: 3 D tokens over t, whatever N.
  const double n = 1e11;
  const double d = 2e12;
  const Seconds duration = 100.0 * unit::day;
  const FlopsPerSecond rate = 6.0 * n * d * flop / duration;
  expect_within(concurrent_copies(rate, n, 500.0),
                sustained_copies(overhang_tokens(d, 3.0, 500.0), duration),
                exact);
}

TEST(SustainedCopies, OfAGpt4LikeRunAreHalfAMillion) {  // W2: D 1.3e13, 95 days
  const Seconds work = overhang_tokens(1.3e13, 3.0, 500.0);
  expect_within(sustained_copies(work, 95.0 * unit::day), 570000.0, 1e-3);
}

}  // namespace
}  // namespace forerun
