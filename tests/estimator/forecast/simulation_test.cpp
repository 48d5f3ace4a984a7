// The sampler against closed forms, splits, elasticities and laws.
#include "estimator/forecast/simulation.hpp"

#include <array>
#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "estimator/forecast/summary.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

constexpr std::int64_t many = 100'000;

Summary work_of(const Scenario& scenario, std::uint64_t seed) {
  const Simulation simulation(scenario, 2030.0);
  return summarise(simulation.draw({.seed = seed, .first = 0, .count = many})[Output::work_years]);
}

/// Four standard errors of a lognormal's quantile at `p`: sigma sqrt(p (1 - p) / n) / phi(z).
double four_errors(double sigma, double p) {
  const double z = normal_quantile(p);
  const double density = std::exp(-z * z / 2.0) / std::sqrt(2.0 * std::numbers::pi);
  return 4.0 * sigma * std::sqrt(p * (1.0 - p) / static_cast<double>(many)) / density;
}

class ReferenceDraws : public ::testing::TestWithParam<std::uint64_t> {};

// Section 10: ln Omega is normal with median 13.46332M and sigma .846714.
TEST_P(ReferenceDraws, HaveTheClosedFormQuantiles) {
  constexpr double sigma = 0.846714;
  const Summary work = work_of(scenario_named("reference"), GetParam());
  EXPECT_NEAR(std::log(work.p5 / 3.34427e6), 0.0, four_errors(sigma, 0.05));
  EXPECT_NEAR(std::log(work.p25 / 7.60548e6), 0.0, four_errors(sigma, 0.25));
  EXPECT_NEAR(std::log(work.p50 / 13.46332e6), 0.0, four_errors(sigma, 0.50));
  EXPECT_NEAR(std::log(work.p75 / 23.83295e6), 0.0, four_errors(sigma, 0.75));
  EXPECT_NEAR(std::log(work.p95 / 54.20049e6), 0.0, four_errors(sigma, 0.95));
}

TEST_P(ReferenceDraws, HaveTheClosedFormMean) {
  // Relative standard error of a lognormal's mean: sqrt((e^(sigma^2) - 1) / n).
  const double error = std::sqrt(std::expm1(0.846714 * 0.846714) / static_cast<double>(many));
  EXPECT_NEAR(work_of(scenario_named("reference"), GetParam()).mean / 19.26773e6, 1.0, 4.0 * error);
}

TEST_P(ReferenceDraws, WidenWithCorrelatedGrowthAndRatio) {
  // Pearson +.5 between ln g and ln r: sigma .929575, 5-95 % [2.91804M, 62.11751M].
  Scenario scenario = scenario_named("reference");
  const double spearman = 6.0 / std::numbers::pi * std::asin(0.25);
  scenario.correlations.push_back({Input::growth_per_year, Input::tokens_per_parameter, spearman});
  const Summary work = work_of(scenario, GetParam());
  EXPECT_NEAR(std::log(work.p5 / 2.91804e6), 0.0, four_errors(0.929575, 0.05));
  EXPECT_NEAR(std::log(work.p95 / 62.11751e6), 0.0, four_errors(0.929575, 0.95));
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReferenceDraws, ::testing::Values(1U, 2U, 20300101U));

TEST(Reference, HasTheClosedFormMedian) {
  const Simulation simulation(scenario_named("reference"), 2030.0);
  const Outcome outcome = simulation.outcome(simulation.medians());
  EXPECT_NEAR(outcome[Output::training_flop] / 4.17858e29, 1.0, 2e-6);
  EXPECT_NEAR(outcome[Output::work_years] / 13.46332e6, 1.0, 1e-6);
}

struct TornadoRow {
  Input input;
  double low;
  double high;
  double elasticity;
};

class Tornado : public ::testing::TestWithParam<TornadoRow> {};

// The table was printed with z = 1.645, which the fourth digit shows.
TEST_P(Tornado, AgreesWithTable) {
  const TornadoRow& row = GetParam();
  const Simulation simulation(scenario_named("reference"), 2030.0);
  const double at_p5 = work_years_at(simulation, row.input, 0.05) / 1e6;
  const double at_p95 = work_years_at(simulation, row.input, 0.95) / 1e6;
  EXPECT_NEAR(std::min(at_p5, at_p95), row.low, 1.2e-3);
  EXPECT_NEAR(std::max(at_p5, at_p95), row.high, 1.2e-3);
}

TEST_P(Tornado, HasTheLawsElasticity) {
  const Simulation simulation(scenario_named("reference"), 2030.0);
  EXPECT_NEAR(work_elasticity(simulation, GetParam().input), GetParam().elasticity, 1e-9);
}

INSTANTIATE_TEST_SUITE_P(
    Section10,
    Tornado,
    ::testing::Values(TornadoRow{Input::anchor_flop, 7.773, 23.320, 0.5},
                      TornadoRow{Input::growth_per_year, 8.208, 22.084, 4.48 / 2.0},
                      TornadoRow{Input::kappa, 8.046, 22.529, 0.5},
                      TornadoRow{Input::tokens_per_parameter, 6.021, 30.106, 0.5},
                      TornadoRow{Input::tokens_per_person_minute, 6.732, 26.927, -1.0}));

TEST(Draws, AreTheSameInTwoParts) {
  const Simulation simulation(scenario_named("epoch-trend"), 2030.0);
  const Draws whole = simulation.draw({.seed = 9, .first = 0, .count = 2000});
  Draws parts = simulation.draw({.seed = 9, .first = 0, .count = 777});
  parts.append(simulation.draw({.seed = 9, .first = 777, .count = 1223}));
  EXPECT_EQ(parts.columns, whole.columns);
  EXPECT_EQ(parts.binding, whole.binding);
}

TEST(Draws, DifferWithTheSeed) {
  const Simulation simulation(scenario_named("reference"), 2030.0);
  EXPECT_NE(simulation.draw({.seed = 1, .first = 0, .count = 10})[Output::work_years],
            simulation.draw({.seed = 2, .first = 0, .count = 10})[Output::work_years]);
}

TEST(Draws, KeepTheirOtherInputsWhenOneIsAdded) {
  // The stream of an input depends on which input it is, not on what else is uncertain.
  Scenario scenario = scenario_named("reference");
  const Draws before = Simulation(scenario, 2030.0).draw({.seed = 4, .first = 0, .count = 100});
  scenario.inputs[Input::speed_x_human] = {Lognormal{5.0, 1.0}, {}, {}, "test", "2026"};
  const Draws after = Simulation(scenario, 2030.0).draw({.seed = 4, .first = 0, .count = 100});
  EXPECT_EQ(before[Output::work_years], after[Output::work_years]);
}

TEST(Ceilings, NeverRaiseCompute) {
  Scenario scenario = scenario_named("epoch-trend");
  const Draws bounded = Simulation(scenario, 2030.0).draw({.seed = 1, .first = 0, .count = 5000});
  for (const Input ceiling : {Input::power_ceiling_flop,
                              Input::chip_ceiling_flop,
                              Input::data_ceiling_flop,
                              Input::latency_ceiling_flop}) {
    scenario.inputs.erase(ceiling);
  }
  const Draws free = Simulation(scenario, 2030.0).draw({.seed = 1, .first = 0, .count = 5000});
  int lowered = 0;
  for (std::size_t i = 0; i < 5000; ++i) {
    const double with = bounded[Output::training_flop].at(i);
    const double without = free[Output::training_flop].at(i);
    EXPECT_LE(with, without);
    EXPECT_EQ(with < without, bounded.binding.at(i) != Constraint::trend);
    lowered += static_cast<int>(with < without);
  }
  EXPECT_GT(lowered, 0);
}

TEST(MoreCompute, NeverMeansFewerCopies) {
  const Simulation simulation(scenario_named("steinhardt-2023"), 2030.0);
  InputValues values = simulation.medians();
  double previous = 0.0;
  for (double flop = 1e24; flop < 1e33; flop *= 2.5) {
    values[static_cast<std::size_t>(Input::training_flop)] = flop;
    const double copies = simulation.outcome(values)[Output::copies];
    EXPECT_GT(copies, previous);
    previous = copies;
  }
}

TEST(Projection, IsSampledWithItsTwoSigmaEnds) {
  const Simulation simulation(scenario_named("besiroglu-2022"), 2030.0);
  const Distribution& compute = simulation.distribution(Input::training_flop);
  EXPECT_NEAR(std::log10(value_at(compute, -2.0)), 26.71, 1e-9);
  EXPECT_NEAR(std::log10(value_at(compute, 0.0)), 28.67, 1e-9);
  EXPECT_NEAR(std::log10(value_at(compute, 2.0)), 29.47, 1e-9);
}

TEST(Cost, FollowsThePriceOfAFlop) {
  // 2e29 FLOP at 1.4038e-18 $ each are 281 G$ in 2026; row G6.
  const Simulation simulation(scenario_named("epoch-trend"), 2026.0);
  const Outcome outcome = simulation.outcome(simulation.medians());
  EXPECT_NEAR(outcome[Output::cost_usd] / outcome[Output::training_flop] * 2e29 / 281e9, 1.0, 2e-3);
}

TEST(Power, IsEnergyOverTheRun) {
  // Row G15: 2e29 FLOP at 3.544e-12 J are 197 TWh; the scenario runs 0.7073 years of 8766 h.
  Scenario scenario = scenario_named("epoch-trend");
  scenario.efficiency_year = 2030.0;
  const Simulation simulation(scenario, 2030.0);
  const Outcome outcome = simulation.outcome(simulation.medians());
  const double terawatt_hours =
      outcome[Output::power_w] * 0.7073 * 8766.0 / 1e12 / outcome[Output::training_flop] * 2e29;
  EXPECT_NEAR(terawatt_hours / 197.0, 1.0, 2e-3);
}

TEST(Simulation, RefusesAYearWithoutData) {
  EXPECT_THROW(Simulation(scenario_named("reference"), 2031.0), InputError);
}

// Section 10, last column: shares of the variance of ln Omega, each elasticity times sigma squared.
TEST(VarianceShare, OfTheReferenceIsExact) {
  const Simulation simulation(scenario_named("reference"), 2030.0);
  const SampleRange range{.seed = 1, .first = 0, .count = many};
  const std::pair<Input, double> rows[] = {{Input::anchor_flop, .1556},
                                           {Input::growth_per_year, .1262},
                                           {Input::kappa, .1366},
                                           {Input::tokens_per_parameter, .3339},
                                           {Input::tokens_per_person_minute, .2477}};
  for (const auto& [input, share] : rows) {
    // A sampled covariance moves a share by up to 4 x 2 sqrt(share / n).
    EXPECT_NEAR(variance_share(simulation, input, range),
                share,
                8.0 * std::sqrt(share / static_cast<double>(many)))
        << name_of(input);
  }
}

}  // namespace
}  // namespace forerun
