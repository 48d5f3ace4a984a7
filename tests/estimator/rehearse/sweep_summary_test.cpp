// What errors of several cases come to, by hand.
#include "estimator/rehearse/sweep_summary.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "estimator/rehearse/hold_out.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

RehearsedRun run_of(double predicted, double measured) {
  RehearsedRun run;
  run.predicted.job = small_llama({});
  run.predicted.estimate.breakdown.compute = 0.75 * predicted * unit::second;
  run.predicted.estimate.breakdown.data_parallel = 0.25 * predicted * unit::second;
  run.predicted.forward = 0.25 * predicted * unit::second;
  run.predicted.fitted = 1.1 * predicted * unit::second;
  run.measured = measured * unit::second;
  run.parts.forward = 0.25 * predicted * unit::second;
  run.parts.backward = 0.5 * predicted * unit::second;
  run.parts.data_parallel = (measured - 0.75 * predicted) * unit::second;
  return run;
}

const std::vector<RehearsedRun> three{run_of(1.0, 1.1), run_of(2.0, 2.0), run_of(4.0, 3.6)};

TEST(SweepSummary, IsMeanErrorBiasAndRank) {
  const ErrorSummary summary = summary_of(three, plain_prediction);
  EXPECT_NEAR(summary.mape, (1.0 / 11.0 + 1.0 / 9.0) / 3.0, 1e-12);
  EXPECT_NEAR(summary.bias, (-1.0 / 11.0 + 1.0 / 9.0) / 3.0, 1e-12);
  EXPECT_NEAR(summary.worst, 1.0 / 9.0, 1e-12);
  EXPECT_DOUBLE_EQ(summary.spearman.value(), 1.0);
  // With a factor of 1.1: exact, 10 % and 22.2 % too much.
  EXPECT_NEAR(summary_of(three, fitted_prediction).bias, (0.1 + 2.0 / 9.0) / 3.0, 1e-12);
  EXPECT_FALSE(summary_of({three[0], three[1]}, plain_prediction).spearman);
  // Predicted 1, 2, 4 where 3, 2, 1 was measured.
  const std::vector<RehearsedRun> turned{run_of(1.0, 3.0), run_of(2.0, 2.0), run_of(4.0, 1.0)};
  EXPECT_DOUBLE_EQ(summary_of(turned, plain_prediction).spearman.value(), -1.0);
}

// Logarithms of measured over predicted: 0.09531, 0, -0.10536 and 0; mean -0.00251, deviation
// 0.08197; t of 3 degrees of freedom 2.353, times sqrt(5/4): 0.21565 to both sides.
TEST(SweepSummary, BandIsOfOneMoreCase) {
  std::vector<RehearsedRun> four = three;
  four.push_back(run_of(1.0, 1.0));
  const StepBand band = band_of(four);
  EXPECT_NEAR(band.middle, 0.99749, 1e-4);
  EXPECT_NEAR(band.low, 0.80399, 2e-4);
  EXPECT_NEAR(band.high, 1.23756, 2e-4);
}

TEST(SweepSummary, BandOfFewCasesIsWhatTheySpan) {
  EXPECT_NEAR(band_of(three).low, 0.9, 1e-12);
  EXPECT_NEAR(band_of(three).high, 1.1, 1e-12);
  EXPECT_DOUBLE_EQ(band_of({three[0]}).low, 1.0);
  EXPECT_NEAR(band_of({three[0]}).high, 1.1, 1e-12);
}

TEST(SweepSummary, NamesThePartThatIsOff) {
  for (const PartContribution& part : contributions_of(three)) {
    if (part.name == "data_parallel") {
      EXPECT_NEAR(part.mean, (-1.0 / 11.0 + 1.0 / 9.0) / 3.0, 1e-12);
      EXPECT_NEAR(part.mean_size, (1.0 / 11.0 + 1.0 / 9.0) / 3.0, 1e-12);
    } else {
      EXPECT_NEAR(part.mean_size, 0.0, 1e-12) << part.name;
    }
  }
}

// Of 2,000 keys a fifth, give or take five standard deviations of a binomial (18); the same again
// for the same seed, others for another.
TEST(HoldOut, TakesItsShareBySeed) {
  Profile profile;
  for (std::int64_t m = 1; m <= 2000; ++m) {
    KernelRecord record;
    record.key = {KernelOp::gemm, DataType::fp32, GemmShape{m, 64, 64}};
    profile.kernels.push_back(record);
  }
  Profile again = profile;
  Profile other = profile;
  hold_out(0.2, 1, profile);
  hold_out(0.2, 1, again);
  hold_out(0.2, 2, other);
  EXPECT_NEAR(static_cast<double>(profile.kernels.size()), 1600.0, 90.0);
  const auto same = [](const Profile& a, const Profile& b) {
    return std::ranges::equal(a.kernels, b.kernels, {}, &KernelRecord::key, &KernelRecord::key);
  };
  EXPECT_TRUE(same(profile, again));
  EXPECT_FALSE(same(profile, other));
}

// Two sizes of one product and one of another, whose like would then have no price at all.
TEST(HoldOut, LeavesOneOfEachFamily) {
  Profile profile;
  for (const auto& [type, m] :
       {std::pair{DataType::fp32, 1}, {DataType::bf16, 1}, {DataType::fp32, 2}}) {
    KernelRecord record;
    record.key = {KernelOp::gemm, type, GemmShape{m, 64, 64}};
    profile.kernels.push_back(record);
  }
  hold_out(1.0, 1, profile);
  ASSERT_EQ(profile.kernels.size(), 2U);
  EXPECT_EQ(profile.kernels[0].key.type, DataType::bf16);
  EXPECT_EQ(profile.kernels[1].key.type, DataType::fp32);
}

}  // namespace
}  // namespace forerun
