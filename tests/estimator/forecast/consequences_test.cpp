// What follows from a forecast's medians, against the rows of forecasting.md and hand arithmetic.
#include "estimator/forecast/consequences.hpp"

#include <cmath>
#include <cstddef>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "estimator/forecast/forecast.hpp"
#include "estimator/forecast/future_model.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

/// Steinhardt's middle for 2030 by the square-root law: r = 27.43, kappa = 3.
ForecastMedians middle_of_2030() {
  return {.year = 2030.0,
          .reference_year = 2020.41,
          .training_flop = 1e28,
          .parameters = 7.795e12,
          .training_tokens = 2.138e14,
          .work_years = 2.47e6,
          .kappa = 3.0,
          .tokens_per_person_minute = 500.0,
          .speed_x_human = 5.0,
          .trend = Trend{5e26 * unit::flop, 2025.52, std::exp2(12.0 / 10.0)},
          .training_years = 0.5};
}

// E8: from GPT-3 to 2030 at 14.3, 8.4 and 4.5 months: 264.6, 13,308 and 4.99e7.
TEST(Consequences, AlgorithmsMultiplyComputeAsRowE8) {
  const Json algorithms = consequences_of(middle_of_2030())["algorithms"];
  const Json& compute = algorithms["effective_flop"];
  EXPECT_NEAR(compute[0].get<double>() / 1e28 / 264.6, 1.0, 1e-3);
  EXPECT_NEAR(compute[1].get<double>() / 1e28 / 13'308.0, 1.0, 1e-3);
  EXPECT_NEAR(compute[2].get<double>() / 1e28 / 4.99e7, 1.0, 1e-2);
  // 1.37^9.59, next to it.
  EXPECT_NEAR(algorithms["hardware_factor"].get<double>(), 20.47, 0.01);
}

// C1, C3, C4 without a wall: 125 times for 125 times fewer copies, a year's work in 2.9 days. Up to
// the wall only as many copies are given away as the speed is worth.
TEST(Consequences, KRuleStopsAtTheLatencyWall) {
  const Json speed = consequences_of(middle_of_2030())["serial_speed"];
  EXPECT_TRUE(speed["is_wall_binding"].get<bool>());
  EXPECT_TRUE(speed["up_to_wall"].is_null());  // the wall, 3.15 times, lies below 5 times
  const Json& article = speed["without_wall"];
  EXPECT_NEAR(article["speed_x_human"].get<double>(), 125.0, 1e-9);
  EXPECT_NEAR(article["copies"].get<double>(), 2.47e6 / 125.0, 1.0);
  EXPECT_NEAR(article["days_a_work_year"].get<double>(), 2.922, 1e-3);
  ForecastMedians small = middle_of_2030();
  small.parameters = 8e9;
  const Json fast = consequences_of(small)["serial_speed"];
  EXPECT_FALSE(fast["is_wall_binding"].get<bool>());
  EXPECT_EQ(fast["up_to_wall"], fast["without_wall"]);
  small.parameters = 1e12;
  const Json between = consequences_of(small)["serial_speed"];
  const Json& trade = between["up_to_wall"];
  EXPECT_NEAR(trade["speed_x_human"].get<double>(), between["wall_x_human"].get<double>(), 1e-9);
  const auto k = trade["k"].get<double>();
  EXPECT_GT(k, 1.0);
  EXPECT_LT(k, 5.0);
  EXPECT_NEAR(
      trade["copies"].get<double>() * trade["speed_x_human"].get<double>(), 2.47e6 * 5.0 / k, 1.0);
}

// By hand: 340 layers, a = 340 x 4 us, 2 x 7.948e12 bytes at 3350e9 x 2^(7.21 / 4) a second:
// 3 a^(2/3) 1.36^(1/3) - 2 a = 38.08 ms on 100 devices, 3.151 times 500 tokens a minute.
TEST(Consequences, WallIsErdilsOnDevicesOfTheYear) {
  const LatencyWall wall = future_latency_wall(7.948e12, 2030.0);
  EXPECT_NEAR(wall.time / unit::millisecond, 38.084, 0.005);
  EXPECT_NEAR(wall.devices, 100.02, 0.02);
  EXPECT_NEAR(speed_x_human(wall.time, 500.0), 3.151, 1e-3);
}

// A model that the optimum would put on less than one device streams its weights from one.
TEST(Consequences, TinyModelRunsOnOneDevice) {
  const LatencyWall wall = future_latency_wall(1e6, 2025.0);
  EXPECT_EQ(wall.devices, 1.0);
  EXPECT_GT(wall.time / unit::nanosecond, 0.0);
}

// I5 and I8: 1e28 FLOP by three fits. B.2: GPT-3 was 3.3 to 7.2 times its optimal size.
TEST(Consequences, FitsAreRowsI5AndI8) {
  const Json fits = consequences_of(middle_of_2030())["fits"];
  const auto of = [&](std::size_t row, const char* key) { return fits[row][key].get<double>(); };
  EXPECT_NEAR(of(0, "parameters") / 2.645e12, 1.0, 1e-3);
  EXPECT_NEAR(of(1, "parameters") / 10.79e12, 1.0, 1e-3);
  EXPECT_NEAR(of(2, "parameters") / 9.218e12, 1.0, 1e-3);
  EXPECT_NEAR(of(0, "work_years") / 7.19e6, 1.0, 2e-3);
  EXPECT_NEAR(of(1, "work_years") / 1.763e6, 1.0, 2e-3);
  EXPECT_NEAR(of(2, "work_years") / 2.06e6, 1.0, 4e-3);
  EXPECT_NEAR(of(0, "gpt3_times_optimal"), 7.15, 0.01);
  EXPECT_NEAR(of(1, "gpt3_times_optimal"), 3.30, 0.01);
}

// I.3: four passes are worth 3.7257, and no number of them more than 16.3878.
TEST(Consequences, CountsPassesOverText) {
  ForecastMedians medians = middle_of_2030();
  EXPECT_EQ(consequences_of(medians)["data"]["epochs_needed"], 1.0);
  medians.training_tokens = 3.7257 * 300e12;
  EXPECT_NEAR(consequences_of(medians)["data"]["epochs_needed"].get<double>(), 4.0, 1e-3);
  medians.training_tokens = 16.39 * 300e12;
  EXPECT_TRUE(consequences_of(medians)["data"]["epochs_needed"].is_null());
}

// F1, F8, G.2 and D: 99 and 88 days, 3.79 to 1.22 months' halving, 8.49 months of run.
TEST(Consequences, RepeatsPublishedTimes) {
  const Json document = consequences_of(middle_of_2030());
  EXPECT_NEAR(document["density"]["doubling_days"].get<double>(), 99.02, 0.01);
  EXPECT_NEAR(document["density"]["with_hardware_doubling_days"].get<double>(), 87.7, 0.05);
  EXPECT_NEAR(document["price"]["halving_months"][0].get<double>(), 3.79, 0.01);
  EXPECT_NEAR(document["price"]["halving_months"][1].get<double>(), 2.13, 0.01);
  EXPECT_NEAR(document["price"]["halving_months"][2].get<double>(), 1.22, 0.01);
  EXPECT_NEAR(document["learning"]["longest_useful_run_months"].get<double>(), 8.49, 0.01);
}

// G5 at 37.5 %, G11 and G12, with H100's own year: 2 dollars an hour in 2026, 1.30 times as much a
// year before, for 989.4e12 FLOP/s; compute twice in 10 months and hardware in 26.4; 100,000 of
// them at 1.275 kW and a PUE of 1.1.
TEST(Consequences, MoneyIsRowsG5G11AndG12) {
  ForecastMedians medians = middle_of_2030();
  medians.year = h100_year;
  const Json money = consequences_of(medians)["money"];
  const double usd_per_hour = 2.0 * std::pow(1.30, 2026.0 - h100_year);
  const double usd_per_flop = usd_per_hour / 3600.0 / 0.375 / 989.4e12;
  EXPECT_NEAR(money["rent_usd"].get<double>() / (1e28 * usd_per_flop), 1.0, 1e-3);
  EXPECT_NEAR(money["rent_usd_5_years_later"].get<double>() * std::pow(1.37, 5.0),
              money["rent_usd"].get<double>(),
              1e-3 * money["rent_usd"].get<double>());
  EXPECT_NEAR(money["cost_doubling_months"].get<double>(), 16.1, 0.05);
  EXPECT_NEAR(money["months_to_10_times_the_cost"].get<double>(), 16.1 * std::log2(10.0), 0.2);
  const Json& site = money["site_of_100000_devices"];
  EXPECT_NEAR(site["power_w"].get<double>() / 140.3e6, 1.0, 1e-3);
  EXPECT_EQ(site["power_of_h100_w"], site["power_w"]);
  EXPECT_NEAR(site["twh_per_year"].get<double>(), 1.23, 0.005);
  EXPECT_NEAR(site["usd_per_year"].get<double>() / 101e6, 1.0, 0.01);
  // Half a year of it: energy over time is power.
  EXPECT_NEAR(money["power_w"].get<double>() * 0.5 * 8766.0 / 1000.0,
              money["energy_kwh"].get<double>(),
              1e-6 * money["energy_kwh"].get<double>());
  EXPECT_NEAR(money["hardware_loses_of_its_value_a_year"].get<double>(), 0.3224, 1e-4);
}

// A scenario that grows no faster than hardware never costs more, and one without a trend says
// nothing.
TEST(Consequences, CostDoublesOnlyWhereComputeOutgrowsHardware) {
  ForecastMedians medians = middle_of_2030();
  medians.trend->factor_per_year = 1.3;
  EXPECT_TRUE(consequences_of(medians)["money"]["cost_doubling_months"].is_null());
  medians.trend.reset();
  medians.training_years.reset();
  const Json money = consequences_of(medians)["money"];
  EXPECT_TRUE(money["cost_doubling_months"].is_null());
  EXPECT_TRUE(money["power_w"].is_null());
}

// GPT-3's size on H100s: 350 GB are 5 devices of 80 GB, 3 bits one (G.4, GPTQ's "5 to 1").
TEST(Consequences, FewerBitsTakeFewerDevices) {
  ForecastMedians medians = middle_of_2030();
  medians.year = h100_year;
  medians.parameters = 175e9;
  const Json savings = consequences_of(medians)["savings"];
  EXPECT_EQ(savings["weights"][0]["devices"], 5.0);
  EXPECT_EQ(savings["weights"][2]["devices"], 2.0);
  EXPECT_EQ(savings["weights"][3]["devices"], 1.0);
  EXPECT_GT(savings["full_over_lora"].get<double>(), 1000.0);
}

// A layer of the future model, by the count that estimates use. Grouped queries (r of them a
// key-value head) and three matrices of 3.25 H: attention reaches the FFN at (9.75 - 2 - 2/r) H
// / 2.
TEST(Consequences, LayerCrossesOverWhereItsShapeSays) {
  const Json layer = consequences_of(middle_of_2030())["layer"];
  const auto hidden = layer["hidden"].get<double>();
  const double crossover = layer["crossover_tokens"].get<double>() / hidden / 2.0;  // causal
  EXPECT_GT(crossover, (9.75 - 2.0 - 2.0 / 8.0) / 2.0 - 0.01);
  EXPECT_LT(crossover, (9.75 - 2.0) / 2.0);
  EXPECT_GT(layer["attention_fraction"].get<double>(), 0.15);
  EXPECT_LT(layer["attention_fraction"].get<double>(), 0.35);
}

// Section J.1: from 5e26 in 2025.52 at 4.5 a year 1e28 is reached in 2027.51. B17: kappa 8.4. I.2:
// half the size costs 1.1 times the compute or so. G10: 7.43 months.
TEST(Consequences, FollowTheFunctionsOfTheirSections) {
  ForecastMedians medians = middle_of_2030();
  medians.trend->factor_per_year = 4.5;
  const Json document = consequences_of(medians);
  EXPECT_NEAR(document["projections"]["crossings"][1]["year"].get<double>(), 2027.51, 0.01);
  EXPECT_NEAR(document["data"]["synthetic"]["kappa"].get<double>(), 8.4, 1e-9);
  // sqrt(3 x 27.43 x 1e28 / 2) passes at 500 a minute are 2.439 million years; the root of kappa.
  EXPECT_NEAR(document["data"]["synthetic"]["work_years"].get<double>(),
              2.439e6 * std::sqrt(8.4 / 3.0),
              0.01e6);
  for (const Json& fit : document["fits"]) {
    EXPECT_GT(fit["compute_of_half_the_size"].get<double>(), 1.0);
    EXPECT_LT(fit["compute_of_half_the_size"].get<double>(), 2.0);
  }
  EXPECT_NEAR(document["money"]["cost_doubling_months_2020_to_2023"].get<double>(), 7.43, 0.01);
  EXPECT_GT(document["serial_speed"]["tiles"]["product_s"].get<double>(), 0.0);
  EXPECT_GT(document["learning"]["examples_over_least_at_it"].get<double>(), 1.0);
}

// Every figure is of a date, and none of them was measured.
TEST(Consequences, StateDatesAndShares) {
  const Json document = consequences_of(middle_of_2030());
  EXPECT_EQ(document["measured_fraction"], 0.0);
  EXPECT_EQ(document["assumed_fraction"], 1.0);
  for (const char* key : {"algorithms",
                          "density",
                          "price",
                          "serial_speed",
                          "learning",
                          "data",
                          "money",
                          "savings",
                          "layer",
                          "projections"}) {
    EXPECT_TRUE(document[key].contains("as_of")) << key;
  }
  for (const Json& fit : document["fits"]) {
    EXPECT_TRUE(fit.contains("as_of"));
  }
}

TEST(Consequences, StandInEveryForecast) {
  const Json forecast = forecast_scenario({.samples = 1000});
  EXPECT_TRUE(forecast.contains("consequences"));
  // The assumed 5 times human speed lie above the wall: the reading says so.
  EXPECT_THAT(forecast["reading"].get<std::string>(), ::testing::HasSubstr("latency wall"));
  std::ostringstream table;
  print_forecast(forecast, table);
  EXPECT_THAT(table.str(), ::testing::HasSubstr("supervision"));
  EXPECT_THAT(table.str(), ::testing::HasSubstr("algorithms"));
  // 2023-06: seven years and seven months.
  EXPECT_NEAR(
      forecast["consequences"]["algorithms"]["reference_year"].get<double>(), 2023.4167, 1e-3);
}

}  // namespace
}  // namespace forerun
