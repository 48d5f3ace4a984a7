// From a step to a run.
#include "estimator/run/run_cost.hpp"

#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

TEST(RunCost, CountsStepsDaysAndDeviceHours) {
  // 15.6e12 tokens in steps of 2048 x 8192 are 929,832 steps (rounded up); at 6.45 s 69.4 days.
  const RunCost run = run_cost(15.6e12, 2048.0 * 8192.0, 6.45 * unit::second, 16384, {});
  EXPECT_EQ(run.steps, 929833.0);
  EXPECT_NEAR(run.time.in(unit::day), 69.41, 0.01);
  EXPECT_NEAR(run.device_time.in(unit::hour), 69.41 * 24 * 16384, 6e4);
}

TEST(RunCost, LeavesOutWhatTheClusterDoesNotSay) {
  const RunCost run = run_cost(1e9, 1e6, 1.0 * unit::second, 8, {});
  EXPECT_FALSE(run.energy);
  EXPECT_FALSE(run.cost);
  EXPECT_FALSE(run.goodput);
}

// Row G12 of the forecasting notes: 700 W x 1.821 = 1.275 kW a GPU, x 1.1 PUE.
TEST(RunCost, ChargesTheWholeServerAndItsCooling) {
  Cluster cluster;
  cluster.device.power = 700.0 * unit::watt;
  cluster.power.server_per_device = 1.821;
  cluster.power.pue = 1.1;
  cluster.economics.price_per_device_hour = 2.0 * unit::dollar;
  const RunCost run = run_cost(3600.0, 1.0, 1.0 * unit::second, 1000, cluster);
  EXPECT_NEAR(run.energy->in(unit::kilowatt_hour), 1402.17, 0.01);
  EXPECT_NEAR(run.cost->in(unit::dollar), 2000.0, 1e-9);
}

TEST(RunCost, TwiceTheTokensTakeTwiceTheDays) {
  const RunCost one = run_cost(1e12, 1e6, 2.0 * unit::second, 8, {});
  const RunCost two = run_cost(2e12, 1e6, 2.0 * unit::second, 8, {});
  EXPECT_DOUBLE_EQ(two.time / one.time, 2.0);
}

}  // namespace
}  // namespace forerun
