// Rows I1 to I10, losses and the overhead of over-training.
#include "estimator/forecast/scaling_law.hpp"

#include <array>

#include <gtest/gtest.h>

#include "estimator/forecast/overhang.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr std::array<LossFit, 4> fits = {
    hoffmann_fit, hoffmann_source_fit, epoch_fit, muennighoff_fit};

struct OptimalFitRow {
  double compute;
  std::array<double, 4> parameters;
  std::array<double, 4> ratio;
};

class OptimalFit : public ::testing::TestWithParam<OptimalFitRow> {};

TEST_P(OptimalFit, AgreesWithTable) {
  const OptimalFitRow& row = GetParam();
  for (std::size_t i = 0; i < fits.size(); ++i) {
    const OptimalShape shape = optimal_fit(row.compute * unit::flop, fits.at(i));
    EXPECT_NEAR(shape.parameters / row.parameters.at(i), 1.0, 1e-3);
    EXPECT_NEAR(shape.tokens / shape.parameters / row.ratio.at(i), 1.0, 6e-3);
  }
}

// I1, I2, I3, I4, I5, I6, I7.
INSTANTIATE_TEST_SUITE_P(
    RowsI1ToI7,
    OptimalFit,
    ::testing::Values(
        OptimalFitRow{3.1e23, {24.33e9, 30.42e9, 52.67e9, 51.33e9}, {87.3, 55.8, 18.6, 19.6}},
        OptimalFitRow{5.76e23, {32.19e9, 40.36e9, 72.36e9, 69.96e9}, {92.7, 58.9, 18.3, 19.6}},
        OptimalFitRow{2.1e25, {163.3e9, 208.4e9, 457.2e9, 422.4e9}, {131, 80.6, 16.7, 19.6}},
        OptimalFitRow{4.64e26, {660.9e9, 856.4e9, 2.235e12, 1.986e12}, {177, 105, 15.5, 19.6}},
        OptimalFitRow{1e28, {2.645e12, 3.479e12, 10.79e12, 9.218e12}, {238, 138, 14.3, 19.6}},
        OptimalFitRow{4.7e28, {5.320e12, 7.051e12, 23.84e12, 19.98e12}, {277, 158, 13.8, 19.6}},
        OptimalFitRow{2e29, {10.23e12, 13.66e12, 50.10e12, 41.23e12}, {318, 179, 13.3, 19.6}}));

// The table stems from constants with more digits than are printed.
constexpr double loss_tolerance = 2e-5;

TEST(Loss, OfGpt3AgreesWithTable) {
  const std::array<double, 4> expected = {2.00229, 1.97645, 2.00800, 2.05895};
  for (std::size_t i = 0; i < fits.size(); ++i) {
    EXPECT_NEAR(loss(175e9, 3e11, fits.at(i)), expected.at(i), loss_tolerance);
  }
}

TEST(Loss, OfChinchillaAgreesWithTable) {
  const std::array<double, 4> expected = {1.93665, 1.92085, 1.97341, 2.02460};
  for (std::size_t i = 0; i < fits.size(); ++i) {
    EXPECT_NEAR(loss(70e9, 1.4e12, fits.at(i)), expected.at(i), loss_tolerance);
  }
}

TEST(Loss, IsLeastAtTheOptimum) {
  const OptimalShape best = optimal_fit(1e25 * unit::flop, epoch_fit);
  const double least = loss(best.parameters, best.tokens, epoch_fit);
  EXPECT_LT(least, loss(best.parameters * 1.05, best.tokens / 1.05, epoch_fit));
  EXPECT_LT(least, loss(best.parameters / 1.05, best.tokens * 1.05, epoch_fit));
}

struct Overtraining {
  double size;
  double hoffmann;
  double epoch;
};

class Overtrain : public ::testing::TestWithParam<Overtraining> {};

TEST_P(Overtrain, AgreesWithTable) {
  EXPECT_NEAR(overtrain(GetParam().size, hoffmann_fit).value() / GetParam().hoffmann, 1.0, 6e-4);
  EXPECT_NEAR(overtrain(GetParam().size, epoch_fit).value() / GetParam().epoch, 1.0, 6e-4);
}

INSTANTIATE_TEST_SUITE_P(SectionI2,
                         Overtrain,
                         ::testing::Values(Overtraining{0.75, 1.028, 1.034},
                                           Overtraining{0.5, 1.208, 1.259},
                                           Overtraining{0.3, 2.055, 2.614},
                                           Overtraining{0.25, 2.886, 4.467},
                                           Overtraining{0.2, 5.269, 14.10},
                                           Overtraining{2.0, 1.132, 1.148},
                                           Overtraining{4.0, 1.527, 1.587}));

TEST(Overtrain, AtATenthIsPossibleInOneFitOnly) {
  EXPECT_NEAR(overtrain(0.1, hoffmann_fit).value() / 8.5e4, 1.0, 0.01);
  EXPECT_FALSE(overtrain(0.1, epoch_fit).has_value());
}

TEST(Overtrain, CostsNothingAtTheOptimum) {
  EXPECT_DOUBLE_EQ(overtrain(1.0, epoch_fit).value(), 1.0);
}

struct WorkRow {
  double compute;
  std::array<double, 4> years;
};

// I8, I9, I10: person-years at kappa 3 and 500 tokens a minute for the optimum of each fit.
TEST(OptimalFitRows, I8ToI10PersonYears) {
  for (const WorkRow& row : {WorkRow{1e28, {7.19e6, 5.47e6, 1.763e6, 2.06e6}},
                             {4.7e28, {16.8e6, 12.7e6, 3.75e6, 4.47e6}},
                             {2e29, {37.2e6, 27.8e6, 7.59e6, 9.22e6}}}) {
    for (std::size_t i = 0; i < fits.size(); ++i) {
      const OptimalShape shape = optimal_fit(row.compute * unit::flop, fits.at(i));
      const double years = overhang_tokens(shape.tokens, 3.0, 500.0) / unit::year;
      EXPECT_NEAR(years / row.years.at(i), 1.0, 4e-3) << row.compute << " fit " << i;
    }
  }
}

}  // namespace
}  // namespace forerun
