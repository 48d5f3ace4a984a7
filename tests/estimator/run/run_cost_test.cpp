// From a step to a run.
#include "estimator/run/run_cost.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

RunRequest request(double tokens, double tokens_per_step, Seconds step, std::int64_t devices) {
  return {tokens, tokens_per_step, {step, step, step}, devices, Bytes()};
}

TEST(RunCost, CountsStepsDaysAndDeviceHours) {
  // 15.6e12 tokens in steps of 2048 x 8192 are 929,832 steps (rounded up); at 6.45 s 69.4 days.
  const RunCost run =
      run_cost(request(15.6e12, 2048.0 * 8192.0, 6.45 * unit::second, 16384), {}, {});
  EXPECT_EQ(run.steps, 929833.0);
  EXPECT_NEAR(run.time.expected.in(unit::day), 69.41, 0.01);
  EXPECT_NEAR(run.device_time.expected.in(unit::hour), 69.41 * 24 * 16384, 6e4);
}

TEST(RunCost, LeavesOutWhatTheClusterDoesNotSayAndSaysSo) {
  const RunCost run = run_cost(request(1e9, 1e6, 1.0 * unit::second, 8), {}, {});
  EXPECT_FALSE(run.energy);
  EXPECT_FALSE(run.cost);
  EXPECT_FALSE(run.goodput);
  EXPECT_FALSE(run.co2_kg);
  EXPECT_THAT(run.notes,
              testing::UnorderedElementsAre(testing::HasSubstr("goodput is null"),
                                            testing::HasSubstr("energy_kwh is null"),
                                            testing::HasSubstr("cost_usd is null")));
}

// Row G12 of the forecasting notes: 700 W x 1.821 = 1.275 kW a GPU, x 1.1 PUE.
Cluster priced_cluster() {
  Cluster cluster;
  cluster.devices_per_node = 8;
  cluster.device.power = 700.0 * unit::watt;
  cluster.power.server_per_device = 1.821;
  cluster.power.pue = 1.1;
  cluster.economics.price_per_device_hour = 2.0 * unit::dollar;
  return cluster;
}

TEST(RunCost, ChargesTheWholeServerAndItsCooling) {
  const RunCost run =
      run_cost(request(3600.0, 1.0, 1.0 * unit::second, 1000), priced_cluster(), {});
  EXPECT_NEAR(run.energy->expected.in(unit::kilowatt_hour), 1402.17, 0.01);
  EXPECT_NEAR(run.power->in(unit::watt), 1402170.0, 10.0);
  EXPECT_NEAR(run.cost->expected.in(unit::dollar), 2000.0, 1e-9);
}

TEST(RunCost, DrawsWhatTheClusterSaysAndWeighsItsCarbon) {
  Cluster cluster = priced_cluster();
  cluster.power.utilization = 0.5;
  cluster.power.carbon_g_per_kwh = 400.0;
  const RunCost run = run_cost(request(3600.0, 1.0, 1.0 * unit::second, 1000), cluster, {});
  EXPECT_NEAR(run.energy->expected.in(unit::kilowatt_hour), 701.085, 0.01);
  EXPECT_NEAR(run.co2_kg->expected, 701.085 * 0.4, 0.01);
}

TEST(RunCost, PaysForSparesThatDrawNoPower) {
  RunSettings settings;
  settings.spare_nodes = 25;  // 200 devices beside 1000
  const RunCost run =
      run_cost(request(3600.0, 1.0, 1.0 * unit::second, 1000), priced_cluster(), settings);
  EXPECT_NEAR(run.cost->expected.in(unit::dollar), 2400.0, 1e-9);
  EXPECT_NEAR(run.energy->expected.in(unit::kilowatt_hour), 1402.17, 0.01);
}

// By hand: 1000 devices for an hour at 40,000 dollars over 4 years are 1000 x 40000 / 35064 =
// 1140.77; 1402.17 kWh at 0.08 are 112.17; staff is 30 % of all, 3/7 of these 1252.94: 536.98.
TEST(RunCost, WritesOffWhatIsOwnedAndPaysPowerAndStaff) {
  Cluster cluster = priced_cluster();
  cluster.economics.price_per_device_hour.reset();
  cluster.economics.purchase =
      Purchase{40'000.0 * unit::dollar, 4.0 * unit::year, 0.08 * unit::dollar, 0.3};
  const RunRequest job = request(3600.0, 1.0, 1.0 * unit::second, 1000);
  const RunCost run = run_cost(job, cluster, {});
  ASSERT_TRUE(run.cost_parts);
  EXPECT_NEAR(run.cost_parts->hardware.in(unit::dollar), 1140.77, 0.01);
  EXPECT_NEAR(run.cost_parts->energy.in(unit::dollar), 112.17, 0.01);
  EXPECT_NEAR(run.cost_parts->staff.in(unit::dollar), 536.98, 0.01);
  EXPECT_EQ(run.cost_parts->rent, Dollars());
  EXPECT_NEAR(run.cost->expected.in(unit::dollar), 1789.92, 0.01);
  EXPECT_DOUBLE_EQ(total_of(*run.cost_parts) / run.cost->expected, 1.0);
  // 200 spares are written off and draw nothing.
  RunSettings spares;
  spares.spare_nodes = 25;
  const RunCost more = run_cost(job, cluster, spares);
  EXPECT_NEAR(more.cost_parts->hardware.in(unit::dollar), 1.2 * 1140.77, 0.01);
  EXPECT_NEAR(more.cost_parts->energy.in(unit::dollar), 112.17, 0.01);
  cluster.power.pue.reset();
  const RunCost unknown = run_cost(job, cluster, {});
  EXPECT_FALSE(unknown.cost);
  EXPECT_THAT(unknown.notes, testing::Contains(testing::HasSubstr("what owned devices draw")));
}

TEST(RunCost, EndsOnADayOfTheCalendar) {
  using std::chrono::sys_days;
  const sys_days start = std::chrono::year(2028) / 2 / 1;
  EXPECT_EQ(end_of(start, 28.5 * unit::day), sys_days(std::chrono::year(2028) / 2 / 29));
  EXPECT_EQ(end_of(start, 29.0 * unit::day), sys_days(std::chrono::year(2028) / 3 / 1));
  EXPECT_FALSE(end_of(start, 1e9 * unit::day));
  EXPECT_FALSE(end_of(start, 8000.0 * unit::year));
}

TEST(RunCost, LengthensByItsPauses) {
  RunSettings settings;
  settings.pauses = 0.2;
  const RunCost run = run_cost(request(3600.0, 1.0, 1.0 * unit::second, 8), {}, settings);
  EXPECT_NEAR(run.time.expected.in(unit::second), 4500.0, 1e-9);
}

// A failure every ten seconds, and ten minutes to start again.
TEST(RunCost, SaysThatARunGetsNowhere) {
  Cluster cluster = priced_cluster();
  cluster.storage_bandwidth = 2.0 * unit::terabyte / unit::second;
  RunSettings settings;
  settings.restart = 600.0 * unit::second;
  settings.between_failures = 10.0 * unit::second;
  RunRequest job = request(1e12, 1e6, 5.0 * unit::second, 16384);
  job.checkpoint = checkpoint_size(405e9, true);
  EXPECT_THAT(run_cost(job, cluster, settings).notes,
              testing::Contains(testing::HasSubstr("next to no progress")));
  settings.between_failures = 3.0 * unit::hour;
  EXPECT_THAT(run_cost(job, cluster, settings).notes,
              testing::Not(testing::Contains(testing::HasSubstr("next to no progress"))));
}

TEST(RunCost, TwiceTheTokensTakeTwiceTheDays) {
  const RunCost one = run_cost(request(1e12, 1e6, 2.0 * unit::second, 8), {}, {});
  const RunCost two = run_cost(request(2e12, 1e6, 2.0 * unit::second, 8), {}, {});
  EXPECT_DOUBLE_EQ(two.time.expected / one.time.expected, 2.0);
}

TEST(RunCost, FailuresWidenTheBandOfAStepThatIsKnown) {
  Cluster cluster = priced_cluster();
  cluster.reliability.failures_per_node_day = 0.00379;
  cluster.storage_bandwidth = 2.0 * unit::terabyte / unit::second;
  RunSettings settings;
  settings.restart = 600.0 * unit::second;
  RunRequest job = request(1e12, 1e6, 5.0 * unit::second, 16384);
  job.checkpoint = checkpoint_size(405e9, true);
  const RunCost run = run_cost(job, cluster, settings);
  ASSERT_TRUE(run.goodput);
  EXPECT_LT(run.goodput->low, run.goodput->expected);
  EXPECT_LT(run.goodput->expected, run.goodput->high);
  EXPECT_LT(run.time.low, run.time.expected);
  EXPECT_LT(run.time.expected, run.time.high);
  // 14 B x 405e9 at 2 TB/s (modelling.md, section 7: 5.7 TB, 2.9 s).
  EXPECT_NEAR(run.failures->checkpoint.in(unit::terabyte), 5.7, 0.05);
  EXPECT_NEAR(run.failures->checkpoint_write.in(unit::second), 2.9, 0.1);
}

TEST(RunCost, WritesInTheBackgroundNoOftenerThanTheStorageTakes) {
  RunSettings settings;
  settings.between_failures = 3600.0 * unit::second;
  settings.restart = 60.0 * unit::second;
  settings.checkpoint_rate = 1.0 * unit::gigabyte / unit::second;
  settings.checkpoint_stall = 1.0 * unit::second;
  RunRequest job = request(1e9, 1e6, 1.0 * unit::second, 8);
  job.checkpoint = 1000.0 * unit::gigabyte;
  const RunCost run = run_cost(job, {}, settings);
  // Daly alone would say 84 s; storing takes 1000 s, of which 1 s stands still.
  EXPECT_NEAR(run.failures->interval.in(unit::second), 999.0, 1e-9);
}

}  // namespace
}  // namespace forerun
