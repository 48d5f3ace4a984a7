// Rows D1-D6, longest runs and critical batches.
#include "estimator/forecast/learning.hpp"

#include <array>

#include <gtest/gtest.h>

#include "estimator/forecast/overhang.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

TEST(LearningRate, OfAMillionCopiesIsThousandsOfYearsADay) {  // D1: 1e6 / 365.25
  EXPECT_NEAR(learning_rate(1e6), 2737.850787, 1e-6);
  EXPECT_NEAR(learning_rate(1e6) / 2500.0, 1.0, 0.10);
}

TEST(LearningRate, IsNotThePublishedOne) {  // 2,500 is 9 % below
  EXPECT_NEAR(2500.0 / learning_rate(1e6), 1.0 - 0.087, 1e-3);
}

TEST(LearningRate, OfAnHourIsACentury) {  // D2
  EXPECT_NEAR(learning_rate(1e6) / 24.0, 114.1, 0.05);
}

TEST(LearningRate, OfGpt4IsItsCopies) {  // D5
  EXPECT_NEAR(learning_rate(45656.25), 125.0, 1e-9);
}

TEST(SustainedCopies, OfTheArticleExceedAMillion) {  // D3: 1.8M / 1.2 years
  EXPECT_NEAR(sustained_copies(1.8e6 * unit::year, 1.2 * unit::year), 1.5e6, 1e-3);
}

TEST(Users, SpendFiveMinutesADay) {  // D4
  EXPECT_NEAR((0.05e6 / 13e6 * unit::day).in(unit::minute), 5.54, 0.005);
  EXPECT_NEAR((1e6 / 250e6 * unit::day).in(unit::minute), 5.76, 1e-9);
}

TEST(MillionCopies, ReadABatchASecond) {  // D6: 1e6 * 500 / 60 tokens a second
  const double rate = overhang_tokens(1.0, 1.0, 1.0) / unit::minute * 1e6 * 500.0 / 60.0;
  EXPECT_NEAR(rate / 8.33e6, 1.0, 1e-3);
}

double run_years(std::span<const double> factors) {
  return longest_run(factors).in(unit::year);
}

TEST(LongestRun, OfHardwareAloneIsThreeAndAHalfYears) {
  EXPECT_NEAR(run_years(std::array{1.325}), 3.55, 0.006);
}

TEST(LongestRun, WithSoftwareIsTheArticlesTrainingTime) {
  EXPECT_NEAR(run_years(std::array{1.325, 1.713}), 1.22, 0.005);
}

TEST(LongestRun, WithInvestmentIsNineMonths) {
  EXPECT_NEAR(run_years(std::array{1.325, 2.813}), 0.760, 5e-4);
}

TEST(LongestRun, OfAllIsHalfAYear) {
  const double years = run_years(std::array{1.325, 1.713, 2.813});
  EXPECT_NEAR(years, 0.5395, 2e-4);
  EXPECT_NEAR(years * 12.0 / 6.49, 1.0, 0.005);
}

TEST(LongestRun, Of2025IsNineMonths) {
  const double months = run_years(std::array{1.37, 3.0}) * 12.0;
  EXPECT_NEAR(months, 8.49, 0.005);
  EXPECT_NEAR(months / 9.0, 1.0, 0.06);
}

TEST(BatchCost, DoublesAtTheCriticalBatch) {
  const BatchCost cost = batch_cost(4e6, 4e6);
  EXPECT_DOUBLE_EQ(cost.steps, 2.0);
  EXPECT_DOUBLE_EQ(cost.examples, 2.0);
}

TEST(BatchCost, TradesStepsForExamples) {
  EXPECT_DOUBLE_EQ(batch_cost(0.2, 1.0).steps, 6.0);
  EXPECT_DOUBLE_EQ(batch_cost(0.2, 1.0).examples, 1.2);
  EXPECT_DOUBLE_EQ(batch_cost(8.0, 1.0).steps, 1.125);
  EXPECT_DOUBLE_EQ(batch_cost(8.0, 1.0).examples, 9.0);
}

TEST(CriticalBatch, GrowsAsTheLossFalls) {  // Kaplan, B* 2.0e8 to 2.1e8
  EXPECT_NEAR(critical_batch(3.5, 2.0e8), 5.1e5, 0.05e5);
  EXPECT_NEAR(critical_batch(3.0, 2.0e8), 1.07e6, 0.01e6);
  EXPECT_NEAR(critical_batch(2.5, 2.0e8), 2.55e6, 0.01e6);
  EXPECT_NEAR(critical_batch(2.0, 2.1e8), 7.7e6, 0.05e6);
}

}  // namespace
}  // namespace forerun
