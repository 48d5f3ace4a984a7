// Two things at once: from measured times to speeds and back.
#include "estimator/step/overlap.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr Seconds ms(double n) {
  return n * unit::millisecond;
}

OverlapPoint point(double compute, double collective, double beside, double both) {
  return {OverlapCompute::gemm,
          Collective::all_reduce,
          1000,
          ms(compute),
          ms(collective),
          ms(beside),
          ms(both)};
}

// 10 ms and 12 ms one after the other: the collective stood still.
TEST(SharedSpeedOf, CollectiveThatWaitsForTheEndStoodStill) {
  const SharedSpeed speed = shared_speed(point(10, 12, 10, 22));
  EXPECT_DOUBLE_EQ(speed.compute, 1.0);
  EXPECT_NEAR(speed.collective, 0.0, 1e-12);
}

// Both undisturbed: the longer one is the end.
TEST(SharedSpeedOf, PerfectOverlap) {
  const SharedSpeed speed = shared_speed(point(10, 12, 10, 12));
  EXPECT_DOUBLE_EQ(speed.compute, 1.0);
  EXPECT_NEAR(speed.collective, 1.0, 1e-12);
}

// Compute 10 -> 12.5 ms (speed 0.8). The collective of 15 ms ends at 17.5: 5 ms alone, so 10 of its
// 15 ms were done in 12.5 ms: also 0.8.
TEST(SharedSpeedOf, BothSlowed) {
  const SharedSpeed speed = shared_speed(point(10, 15, 12.5, 17.5));
  EXPECT_NEAR(speed.compute, 0.8, 1e-12);
  EXPECT_NEAR(speed.collective, 0.8, 1e-12);
}

TEST(TimeTogether, GivesBackWhatWasMeasured) {
  for (const OverlapPoint& measured :
       {point(10, 12, 10, 22), point(10, 12, 10, 12), point(10, 15, 12.5, 17.5)}) {
    const Seconds together =
        time_together(measured.compute_alone, measured.collective_alone, shared_speed(measured));
    EXPECT_NEAR(together / measured.both, 1.0, 1e-12);
  }
}

// Collective 4 ms at half speed: 8 ms, in which the computation at 0.75 did 6 of its 10 ms.
TEST(TimeTogether, ComputationGoesOnAlone) {
  EXPECT_NEAR(time_together(ms(10), ms(4), {0.75, 0.5}) / ms(12), 1.0, 1e-12);
}

TEST(TimeTogether, IsNeverBelowTheLonger) {
  for (const double compute : {0.1, 1.0, 10.0}) {
    for (const SharedSpeed speed : {SharedSpeed{1, 1}, SharedSpeed{0.5, 0.9}, SharedSpeed{1, 0}}) {
      EXPECT_GE(time_together(ms(compute), ms(2), speed), 0.999999 * ms(std::max(compute, 2.0)));
    }
  }
}

// A collective of 1 ms that stands still: the 3 % that a computation of equal length lost are 0.03
// ms for each ms of it, not 3 ms of a computation of 100.
TEST(Besides, StandingStillDoesNotSlowALongComputation) {
  EXPECT_NEAR(time_together(ms(100), ms(1), {1.0 / 1.03, 0.0}) / ms(101.03), 1.0, 1e-12);
  EXPECT_NEAR(time_together(ms(1), ms(1), {1.0 / 1.03, 0.0}) / ms(2.03), 1.0, 1e-12);
}

TEST(Besides, NoOverlapIsTheSumAndFullOverlapTheMaximum) {
  const Beside none = beside(ms(3), ms(10), SharedSpeed{1.0, 0.0});
  EXPECT_EQ(none.exposed, ms(3));
  EXPECT_EQ(none.contention, Seconds());
  const Beside full = beside(ms(13), ms(10), SharedSpeed{1.0, 1.0});
  EXPECT_NEAR(full.exposed / ms(3), 1.0, 1e-12);
  EXPECT_EQ(full.contention, Seconds());
  EXPECT_EQ(beside(Seconds(), ms(10), SharedSpeed{0.5, 0.0}).contention, Seconds());
}

// arXiv 2507.03114: 18.9 % slower while the collective lasts; 11.89 ms beside it are 10 ms alone.
TEST(Besides, FormulaWhereNothingWasMeasured) {
  const Beside hidden = beside(ms(11.89), ms(100), std::nullopt);
  EXPECT_NEAR(hidden.contention / ms(1.89), 1.0, 1e-12);
  EXPECT_EQ(hidden.exposed, Seconds());
  EXPECT_NEAR(beside(ms(21.89), ms(10), std::nullopt).exposed / ms(10), 1.0, 1e-12);
}

// 6 ms of products at full speed, in which the collective stands still, then 4 ms of memory-bound
// work at half speed, in which it runs undisturbed: 14 ms, of which it ran 8.
TEST(SpeedBesideAMix, WeighsKindsByTheirTime) {
  ComputeMix mix;
  mix.of(OverlapCompute::gemm) = ms(6);
  mix.of(OverlapCompute::memory) = ms(4);
  const OverlapPrices prices = [](OverlapCompute compute, Collective /*op*/, std::int64_t bytes) {
    EXPECT_EQ(bytes, 77);
    return compute == OverlapCompute::gemm ? SharedSpeed{1.0, 0.0} : SharedSpeed{0.5, 1.0};
  };
  const auto speed = shared_speed(mix, prices, Collective::all_reduce, 77);
  EXPECT_NEAR(speed.value().compute, 10.0 / 14.0, 1e-12);
  EXPECT_NEAR(speed.value().collective, 8.0 / 14.0, 1e-12);
  EXPECT_FALSE(shared_speed(mix, {}, Collective::all_reduce, 77).has_value());
}

TEST(OverlapComputeOf, AKernelIsThatWhichLimitsIt) {
  EXPECT_EQ(overlap_compute_of(KernelOp::gemm), OverlapCompute::gemm);
  EXPECT_EQ(overlap_compute_of(KernelOp::attention_backward), OverlapCompute::attention);
  EXPECT_EQ(overlap_compute_of(KernelOp::swiglu_forward), OverlapCompute::memory);
}

TEST(OverlapGridOf, InterpolatesInTheLogarithmOfTheSize) {
  OverlapPoint small = point(10, 12, 10, 22);  // collective at 0
  OverlapPoint large = point(10, 12, 10, 12);  // at 1
  small.bytes = 1024;
  large.bytes = 1024 * 1024;
  const OverlapGrid grid({small, large});
  const auto at = [&](std::int64_t bytes) {
    return grid.speed(OverlapCompute::gemm, Collective::all_reduce, bytes)->collective;
  };
  EXPECT_NEAR(at(32 * 1024), 0.5, 1e-12);
  EXPECT_NEAR(at(16), 0.0, 1e-12);
  EXPECT_NEAR(at(1 << 30), 1.0, 1e-12);
  EXPECT_FALSE(grid.speed(OverlapCompute::memory, Collective::all_reduce, 1024).has_value());
  EXPECT_FALSE(grid.speed(OverlapCompute::gemm, Collective::all_gather, 1024).has_value());
}

}  // namespace
}  // namespace forerun
