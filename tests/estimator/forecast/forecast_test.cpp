// The two documents: keys, numbers, echoes and refusals.
#include "estimator/forecast/forecast.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

Json article() {
  return forecast_scenario({.samples = 20'000});
}

/// 1,024 devices of 1e15 FLOP/s at 40 % train a 1e11-parameter model for 100 days.
MeasuredInputs cluster() {
  return {.model = "model",
          .active_parameters = 1e11,
          .training_flop_per_token = 6e11 * unit::flop,
          .tokens_per_second = 0.4 * 1024e15 / 6e11,
          .mfu = 0.4,
          .peak_per_device = 1e15 * unit::flop / unit::second,
          .devices = 1024,
          .duration = 100.0 * unit::day,
          .layout = "tp=8",
          .measured_fraction = 0.75,
          .decode = std::nullopt,
          .no_decode_because = "nobody asked",
          .scenario = {.samples = 2000}};
}

TEST(ForecastScenario, GivesSixNumbersForEachQuantity) {
  const Json document = article();
  for (const char* key : {"training_flop",
                          "parameters",
                          "training_tokens",
                          "copies",
                          "work_years",
                          "work_years_2000h",
                          "speed_x_human",
                          "learning_years_per_day"}) {
    for (const char* level : {"p5", "p25", "p50", "p75", "p95", "mean"}) {
      EXPECT_TRUE(document.at(key).at(level).is_number()) << key << " " << level;
    }
    EXPECT_LE(document.at(key).at("p5"), document.at(key).at("p50"));
    EXPECT_LE(document.at(key).at("p50"), document.at(key).at("p95"));
  }
}

TEST(ForecastScenario, HasTheArticlesMedianOfCompute) {
  // Median standard error: sigma sqrt(pi / 2 / n), sigma = ln(11.489) / .67449 = 3.62; 4 of them.
  EXPECT_NEAR(std::log(article().at("training_flop").at("p50").get<double>() / 1.0397e28),
              0.0,
              4.0 * 3.62 * std::sqrt(1.5708 / 20'000.0));
}

TEST(ForecastScenario, HasTheSquareRootLawsMedianOfWork) {
  // sqrt(3 * 27.4286 * 1.0397e28 / 2) / 500 / 525960 = 2.487M years; half the spread of compute.
  EXPECT_NEAR(std::log(article().at("work_years").at("p50").get<double>() / 2.487e6),
              0.0,
              4.0 * 1.81 * std::sqrt(1.5708 / 20'000.0));
}

TEST(ForecastScenario, LeavesUnsourcedQuantitiesNullAndSaysSo) {
  const Json document = article();
  EXPECT_TRUE(document.at("cost_usd").is_null());
  EXPECT_TRUE(document.at("power_w").is_null());
  EXPECT_THAT(document.at("notes").dump(), HasSubstr("cost_usd is null"));
}

TEST(ForecastScenario, PrintsPublishedFiguresBeside) {
  const Json published = article().at("published");
  EXPECT_EQ(published.at(1).at("centre"), 1.8e6);
  EXPECT_THAT(published.at(1).at("note").get<std::string>(), HasSubstr("discrepancy"));
}

TEST(ForecastScenario, BoundsTheArticleByDataAndSynthesis) {
  // 3 * 1.44e13 / 500 / 525960 = 164,271; and sqrt(2.8) = 1.67332 times the median.
  const Json what_if = article().at("what_if");
  EXPECT_NEAR(what_if.at(0).at("work_years").get<double>() / 164271.0, 1.0, 1e-3);
  EXPECT_NEAR(what_if.at(1).at("work_years").get<double>() / (2.4869e6 * 1.67332), 1.0, 1e-3);
}

TEST(ForecastScenario, CountsJobYearsBesideYears) {
  const Json document = article();
  EXPECT_NEAR(document.at("work_years_2000h").at("p50").get<double>() /
                  document.at("work_years").at("p50").get<double>(),
              4.383,
              1e-9);
}

// A percent more of a calendar year means nothing; its tornado does.
TEST(ForecastScenario, StatesNoElasticityOfAYear) {
  const Json document =
      forecast_scenario({.scenario = "conservative", .samples = 1000, .variance_shares = true});
  const auto& rows = document.at("sensitivity");
  const auto row = std::ranges::find_if(
      rows, [](const Json& entry) { return entry.at("input") == "reversion_year"; });
  ASSERT_NE(row, rows.end());
  EXPECT_TRUE(row->at("elasticity_of_work").is_null());
  EXPECT_LT(row->at("work_years_at_p5"), row->at("work_years_at_p95"));
  std::ostringstream table;
  print_forecast(document, table);
  EXPECT_THAT(table.str(), HasSubstr("reversion_year"));
}

TEST(ForecastScenario, IsReadInWords) {
  const Json document = forecast_scenario({.scenario = "epoch-trend", .samples = 5000});
  EXPECT_THAT(document.at("reading").get<std::string>(),
              testing::AllOf(HasSubstr("moves it most"), testing::Not(HasSubstr("_"))));
}

TEST(ForecastScenario, SharesOfBindingConstraintsSumToOne) {
  const Json document = forecast_scenario({.scenario = "epoch-trend", .samples = 5000});
  double sum = 0.0;
  for (const auto& [name, share] : document.at("binding_fraction").items()) {
    sum += share.get<double>();
  }
  EXPECT_NEAR(sum, 1.0, 1e-12);
  EXPECT_EQ(document.at("binding_constraint"), "power");
}

TEST(ForecastScenario, IsTheSameForTheSameSeed) {
  EXPECT_EQ(article().dump(), article().dump());
}

// Three inputs cannot be correlated by .95, .95 and -.95: repaired and said so, or refused.
TEST(ForecastScenario, RefusesContradictingCorrelationsWhenStrict) {
  const std::string file = (std::filesystem::temp_directory_path() / "forerun_odd.toml").string();
  std::ofstream(file) << R"(title = "odd"
base_date = "2026-01"
base_year = 2026
years = [2026, 2032]
anchor = "none"
inputs.anchor_flop = {distribution = "log_triangular", values = [1e26, 1e27, 1e28], source = "s"}
inputs.growth_per_year = {distribution = "two_piece", values = [1.5, 4, 5], levels = [0.25, 0.5, 0.75], source = "s"}
inputs.kappa = {distribution = "discrete", values = [3, 8.4], weights = [0.6, 0.4], source = "s"}
inputs.tokens_per_parameter = {distribution = "lognormal", values = [20, 2000], levels = [0.5, 0.999], source = "s"}
inputs.tokens_per_person_minute = {distribution = "constant", values = [500], source = "s"}
[[correlation]]
first = "growth_per_year"
second = "anchor_flop"
spearman = 0.95
[[correlation]]
first = "growth_per_year"
second = "tokens_per_parameter"
spearman = 0.95
[[correlation]]
first = "anchor_flop"
second = "tokens_per_parameter"
spearman = -0.95
)";
  ScenarioOptions options{.scenario = file, .samples = 1000, .variance_shares = true};
  const std::string notes = forecast_scenario(options).at("notes").dump();
  EXPECT_THAT(notes, HasSubstr("eigenvalues were clipped"));
  EXPECT_THAT(notes, HasSubstr("Shares of variance do not sum to one"));
  options.strict = true;
  EXPECT_THROW((void)forecast_scenario(options), InputError);
  std::filesystem::remove(file);
}

TEST(ForecastScenario, RefusesNoSamples) {
  EXPECT_THROW((void)forecast_scenario({.samples = 0}), InputError);
}

TEST(ForecastMeasured, CountsTheWorkOfTheMachines) {
  // 0.4 * 1024e15 * 8.64e6 s = 3.538944e24 FLOP; over 6e11 a token 5.89824e12 tokens.
  const Json document = forecast_measured(cluster());
  EXPECT_NEAR(document.at("training_flop").get<double>() / 3.538944e24, 1.0, 1e-12);
  EXPECT_NEAR(
      document.at("given_model").at("training_tokens").get<double>() / 5.89824e12, 1.0, 1e-12);
}

TEST(ForecastMeasured, RunsCopiesOfTheGivenModel) {
  // 4.096e17 / 2e11 = 2.048e6 tokens/s; a person thinks 380 * 4/3 / 60 = 8.44444: 242,526.
  const Json given = forecast_measured(cluster()).at("given_model");
  EXPECT_NEAR(given.at("copies").get<double>() / 242526.3158, 1.0, 1e-9);
  EXPECT_NEAR(given.at("generated_tokens_per_s").get<double>() / 2.048e6, 1.0, 1e-12);
  EXPECT_NEAR(given.at("work_years").get<double>() / (242526.3158 * 100.0 / 365.25), 1.0, 1e-9);
}

TEST(ForecastMeasured, FindsTheComputeOptimalModel) {
  // N = sqrt(3.538944e24 / 120) = 1.717299e11, D = 20 N.
  const Json optimal = forecast_measured(cluster()).at("optimal_model");
  EXPECT_NEAR(optimal.at("parameters").get<double>() / 1.717300e11, 1.0, 1e-6);
  EXPECT_NEAR(optimal.at("tokens_per_parameter").get<double>(), 20.0, 1e-9);
}

TEST(ForecastMeasured, WorkOfTheOptimalModelIsItsOverhang) {
  // Rate over 2 N for the time is 3 D tokens: 3 * 3.434600e12 / (380 * 4/3) / 525960 years.
  const Json optimal = forecast_measured(cluster()).at("optimal_model");
  const double years = 3.0 * optimal.at("training_tokens").get<double>() / (1520.0 / 3) / 525960.0;
  EXPECT_NEAR(optimal.at("work_years").get<double>() / years, 1.0, 1e-9);
}

TEST(ForecastMeasured, SaysWhatWasMeasured) {
  const Json provenance = forecast_measured(cluster()).at("provenance");
  EXPECT_EQ(provenance.at("measured_fraction"), 0.75);
  EXPECT_EQ(provenance.at("factors").size(), 4U);
}

// 40,960 tokens/s at 2e11 FLOP each are 8.192e15 of 1.024e18 FLOP/s: 0.8 %, in place of 37.5 %
// assumed; copies are 40,960 over 8.44444 tokens/s of a person, and MFU 0.4 is 0.4 / 0.375 times
// the FLOP.
TEST(ForecastMeasured, ReplacesAssumedEfficienciesAndShowsTheChange) {
  MeasuredInputs inputs = cluster();
  inputs.decode = DecodeEfficiency{.tokens_per_second = 40'960.0, .layout = "tp=8", .batch = 64};
  const Json document = forecast_measured(inputs);
  EXPECT_NEAR(document.at("efficiency").at("decode").at("utilisation").get<double>(), 0.008, 1e-12);
  EXPECT_NEAR(document.at("given_model").at("copies").get<double>() / 4850.526316, 1.0, 1e-9);
  const Json& change = document.at("change");
  EXPECT_NEAR(change.at("copies").at("ratio").get<double>(), 0.008 / 0.375, 1e-12);
  EXPECT_NEAR(change.at("training_flop").at("ratio").get<double>(), 0.4 / 0.375, 1e-12);
  EXPECT_NEAR(change.at("work_years").at("here").get<double>() /
                  document.at("given_model").at("work_years").get<double>(),
              1.0,
              1e-12);
  std::ostringstream out;
  print_forecast(document, out);
  EXPECT_THAT(out.str(), HasSubstr("MFU 40.0 % with"));
  EXPECT_THAT(out.str(), HasSubstr("decode efficiency 0.80 % (tp=8, 64 sequences a replica"));
}

// Without a way to serve, generating stays at the training's rate, and the document says why.
TEST(ForecastMeasured, SaysWhyItsDecodeEfficiencyIsNotKnown) {
  MeasuredInputs inputs = cluster();
  inputs.no_decode_because = "no sequence fits";
  const Json document = forecast_measured(inputs);
  EXPECT_TRUE(document.at("efficiency").at("decode").is_null());
  EXPECT_THAT(document.at("provenance").dump(), HasSubstr("no sequence fits"));
}

TEST(ForecastMeasured, StandsBesideItsScenario) {
  const Json document = forecast_measured(cluster());
  const Json& compared = document.at("scenario_comparison");
  EXPECT_EQ(compared.at("scenario"), "steinhardt-2023");
  EXPECT_NEAR(compared.at("training_flop_ratio").get<double>() *
                  compared.at("training_flop").at("p50").get<double>() / 3.538944e24,
              1.0,
              1e-12);
}

TEST(ForecastMeasured, RefusesImpossibleInputs) {
  MeasuredInputs inputs = cluster();
  inputs.mfu = 1.2;
  EXPECT_THROW((void)forecast_measured(inputs), InputError);
  inputs = cluster();
  inputs.duration = Seconds();
  EXPECT_THROW((void)forecast_measured(inputs), InputError);
  inputs = cluster();
  inputs.measured_fraction = -0.1;
  EXPECT_THROW((void)forecast_measured(inputs), InputError);
}

TEST(PrintForecast, ShowsQuantilesSourcesAndDiscrepancies) {
  std::ostringstream out;
  print_forecast(article(), out);
  EXPECT_THAT(out.str(), HasSubstr("work_years"));
  EXPECT_THAT(out.str(), HasSubstr("p95"));
  EXPECT_THAT(out.str(), HasSubstr("data of 2023-06"));
  EXPECT_THAT(out.str(), HasSubstr("seed 1"));
  EXPECT_THAT(out.str(), HasSubstr("1.8M needs 132 times"));
}

TEST(PrintForecast, ShowsBothModelsOfACluster) {
  std::ostringstream out;
  print_forecast(forecast_measured(cluster()), out);
  EXPECT_THAT(out.str(), HasSubstr("given model"));
  EXPECT_THAT(out.str(), HasSubstr("243K"));
  EXPECT_THAT(out.str(), HasSubstr("measured share of the step time: 75.0 %"));
}

}  // namespace
}  // namespace forerun
