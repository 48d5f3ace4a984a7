// Checkpoints and failures: the goldens of modelling.md, section 7.
#include "estimator/run/goodput.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

Interruptions with(double mtbf_hours, double checkpoint_s, double restart_s = 0.0) {
  return {mtbf_hours * unit::hour, checkpoint_s * unit::second, restart_s * unit::second};
}

TEST(Goodput, YoungAndDalyAtTheGoldenPoints) {
  const struct {
    double checkpoint, young, daly;
  } goldens[] = {{10, 472, 465}, {60, 1155, 1116}, {300, 2583, 2387}};

  for (const auto& golden : goldens) {
    EXPECT_NEAR(young_interval(with(3.09, golden.checkpoint)).in(unit::second), golden.young, 0.7);
    EXPECT_NEAR(daly_interval(with(3.09, golden.checkpoint)).in(unit::second), golden.daly, 0.7);
  }
}

TEST(Goodput, WorksAMeanTimeWhereCheckpointsTakeTwice) {
  EXPECT_EQ(daly_interval(with(1.0, 7200.0)).in(unit::hour), 1.0);
}

// To first order 1/(1 + delta/tau) (1 - (tau/2 + R)/M): 90.6 % with M = 3.09 h, delta = 10 s, R =
// 600 s.
TEST(Goodput, AgreesToFirstOrderWithTheGoldenPoint) {
  const Interruptions llama = with(3.09, 10.0, 600.0);
  EXPECT_NEAR(goodput(llama, daly_interval(llama)), 0.906, 0.004);
}

TEST(Goodput, IsBestAtDalysInterval) {
  const Interruptions llama = with(3.09, 60.0, 600.0);
  const Seconds best = daly_interval(llama);
  for (const double factor : {0.5, 0.8, 1.25, 2.0}) {
    EXPECT_LT(goodput(llama, factor * best), goodput(llama, best)) << factor;
  }
}

TEST(Goodput, ApproachesOneWithoutFailuresAndStaysPositive) {
  EXPECT_NEAR(goodput(with(1e9, 1e-6, 1.0), 100.0 * unit::second), 1.0, 1e-6);
  EXPECT_GT(goodput(with(0.1, 100.0, 600.0), 100.0 * unit::second), 0.0);
}

}  // namespace
}  // namespace forerun
