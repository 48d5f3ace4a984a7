// Prices: measured where there is a measurement, else the next tier down, and each says which.
#include "estimator/profile/price_book.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/estimator/profile/made_profile.hpp"
#include "topologies/read_cluster.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

TEST(ProfilePrices, GiveAMeasuredKeyItsMedian) {
  const Price price = prices_from(made_profile(), Strictness::any_tier).kernel(gemm_key(512));
  EXPECT_EQ(price.tier, Tier::measured);
  EXPECT_NEAR(price.time.in(unit::second), 2.0 * 512 * 1024 * 1024 / 1e11, 1e-12);
  EXPECT_NEAR(price.relative_error, 0.01, 1e-9);
}

// What the slowest of several ranks takes more is a wait then, and not in the kernel.
TEST(ProfilePrices, GiveAKernelTheMeanOfItsRanksWhereTheirNoiseIsKnown) {
  Profile profile = made_profile();
  for (KernelRecord& record : profile.kernels) {
    const Seconds slowest = record.timing.median;
    record.timing.rank_medians = {slowest, 0.5 * slowest};
  }
  EXPECT_NEAR(
      prices_from(profile, Strictness::any_tier).kernel(gemm_key(512)).time.in(unit::second),
      2.0 * 512 * 1024 * 1024 / 1e11,
      1e-12);
  EXPECT_FALSE(prices_from(profile, Strictness::any_tier).wait);
  // A tail of 2 % alone; two ranks are done after 1.071 times the median: 5 % later than one.
  profile.noise = {{1, 1.0 * unit::second, 0.02}, {2, 1.0 * unit::second, 0.071}};
  const PriceList prices = prices_from(profile, Strictness::any_tier);
  EXPECT_NEAR(prices.kernel(gemm_key(512)).time.in(unit::second),
              0.75 * 1.02 * 2.0 * 512 * 1024 * 1024 / 1e11,
              1e-12);
  EXPECT_NEAR(prices.wait(1.0 * unit::second, 2), 0.05, 1e-12);
  EXPECT_EQ(prices.wait(1.0 * unit::second, 1), 0.0);
}

TEST(ProfilePrices, InterpolateBetweenSizes) {
  // Every record runs at 100 GFLOP/s, so any mean of their rates is that too.
  const Price price = prices_from(made_profile(), Strictness::any_tier).kernel(gemm_key(1024));
  EXPECT_EQ(price.tier, Tier::interpolated);
  EXPECT_NEAR(price.time.in(unit::second), 2.0 * 1024 * 1024 * 1024 / 1e11, 1e-9);
  EXPECT_NEAR(price.relative_error, 0.0, 1e-9);
}

TEST(ProfilePrices, FallToTheMedianRateFarFromAnyMeasurement) {
  const KernelKey attention{KernelOp::attention_forward,
                            DataType::fp32,
                            AttentionKeyShape{1, 128, 4, 4, 64, Mask::causal}};
  const Price price = prices_from(made_profile(), Strictness::any_tier).kernel(attention);
  EXPECT_EQ(price.tier, Tier::fitted);
  EXPECT_NEAR(price.time.in(unit::second), 0.5 * 4.0 * 128 * 128 * 4 * 64 / 1e11, 1e-12);
}

TEST(ProfilePrices, RefuseAKeyOfWhoseKindNothingWasMeasured) {
  const KernelKey add{KernelOp::add, DataType::fp32, RowsShape{16, 16}};
  try {
    (void)prices_from(made_profile(), Strictness::any_tier).kernel(add);
    ADD_FAILURE() << "priced";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("add fp32 rows=16 columns=16"));
    EXPECT_THAT(error.what(), testing::HasSubstr("forerun measure"));
  }
}

TEST(ProfilePrices, StrictRefusesBelowInterpolated) {
  const PriceList strict = prices_from(made_profile(), Strictness::interpolated_or_better);
  EXPECT_EQ(strict.kernel(gemm_key(1024)).tier, Tier::interpolated);
  const KernelKey attention{KernelOp::attention_forward,
                            DataType::fp32,
                            AttentionKeyShape{1, 128, 4, 4, 64, Mask::causal}};
  EXPECT_THROW((void)strict.kernel(attention), InputError);
}

TEST(ProfilePrices, InterpolateCollectivesLogLogBetweenPowersOfTwo) {
  Profile profile = made_profile();
  profile.collectives = {{all_reduce_key(1 << 20), exactly(3e-4 * unit::second)},
                         {all_reduce_key(1 << 21), exactly(4e-4 * unit::second)},
                         {all_reduce_key(1 << 22), exactly(9e-4 * unit::second)}};
  // 1.5 MiB: the share log2(1.5) of the way from 1 to 2 MiB in log.
  const Price price =
      prices_from(profile, Strictness::any_tier).collective(all_reduce_key(3 << 19));
  EXPECT_EQ(price.tier, Tier::interpolated);
  EXPECT_NEAR(price.time.in(unit::second), 3e-4 * std::pow(4.0 / 3.0, std::log2(1.5)), 1e-12);
}

// Sizes sixteen times apart: a straight line would give the geometric mean of 16.6 and 114.9 us,
// 43.6; the law through the points gives what the link takes, 10 us + 256 KiB / (10 GB/s).
TEST(ProfilePrices, FillWideGapsFromTheShapeOfTheCurve) {
  const Price price =
      prices_from(made_profile(), Strictness::any_tier).collective(all_reduce_key(262144));
  EXPECT_EQ(price.tier, Tier::interpolated);
  EXPECT_NEAR(price.time.in(unit::second), 1e-5 + 262144 / 1e10, 1e-7);
}

TEST(ProfilePrices, PriceOtherGroupsByTheFittedLink) {
  Profile profile = made_profile();
  profile.levels[0].devices = 4;
  const Price price =
      prices_from(profile, Strictness::any_tier).collective(all_reduce_key(1048576, 4));
  EXPECT_EQ(price.tier, Tier::fitted);
  EXPECT_GT(price.time.in(unit::second), 1048576 / 1e10);
}

TEST(ProfilePrices, NoLargerGroupIsFasterThanAMeasuredSmallerOne) {
  Profile profile = made_profile();
  // Over four nodes nothing was measured; the level that a file gives is far too fast.
  LinkLevel network = profile.levels[0];
  network.devices = 8;
  network.bandwidth = 1000.0 * unit::gigabyte / unit::second;
  network.latency = Seconds();
  profile.levels[0].bandwidth = network.bandwidth;
  profile.levels[0].latency = Seconds();
  profile.levels.push_back(network);
  profile.level_errors.push_back(0.0);
  const PriceList prices = prices_from(profile, Strictness::any_tier);
  const CollectiveKey larger{Collective::all_reduce, 1 << 20, DataType::fp32, {8, 2, 1}};
  EXPECT_NEAR(prices.collective(larger).time / prices.collective(all_reduce_key(1 << 20, 2)).time,
              1.0,
              1e-12);
}

TEST(ProfilePrices, OneRankCommunicatesForNothing) {
  const Price price =
      prices_from(made_profile(), Strictness::any_tier).collective(all_reduce_key(1048576, 1));
  EXPECT_EQ(price.time, Seconds());
}

TEST(ProfilePrices, HandOnTheMeasuredOverlap) {
  Profile profile = made_profile();
  EXPECT_FALSE(prices_from(profile, Strictness::any_tier).overlap);
  OverlapPoint serial;  // 10 ms beside 10 ms take 20: the collective waited
  serial.bytes = 1024;
  serial.compute_alone = serial.collective_alone = serial.compute_beside = 10.0 * unit::millisecond;
  serial.both = 20.0 * unit::millisecond;
  profile.overlap = {serial};
  const PriceList prices = prices_from(profile, Strictness::any_tier);
  const auto speed = prices.overlap(OverlapCompute::gemm, Collective::all_reduce, 1024);
  ASSERT_TRUE(speed.has_value());
  EXPECT_EQ(speed->compute, 1.0);
  EXPECT_NEAR(speed->collective, 0.0, 1e-12);
  EXPECT_FALSE(prices.overlap(OverlapCompute::memory, Collective::all_reduce, 1024).has_value());
}

TEST(DatasheetPrices, FollowTheRooflineOfTheClass) {
  Cluster cluster;
  cluster.name = "made";
  cluster.device.peak[DataType::bf16] = 1e15 * unit::flop / unit::second;
  cluster.device.memory_bandwidth = 1e12 * unit::byte / unit::second;
  cluster.device.efficiency = ClassEfficiency{0.5, 0.4, 0.3, 0.8, 1e-6 * unit::second, "test"};
  const PriceList prices = prices_from(cluster, Strictness::any_tier);
  // 2 * 8192^3 FLOP at 0.5e15 is 2.199 ms; 3 * 2 * 8192^2 bytes at 0.8e12 is 0.503 ms.
  const KernelKey gemm{KernelOp::gemm,
                       DataType::bf16,
                       GemmShape{8192, 8192, 8192, GemmLayout::nt, GemmOutput::store}};
  EXPECT_NEAR(prices.kernel(gemm).time.in(unit::millisecond), 2.2015, 0.001);
  EXPECT_EQ(prices.kernel(gemm).tier, Tier::datasheet);
  // add: three tensors of 1e6 bf16 elements at 0.8e12 B/s, and one launch.
  const KernelKey add{KernelOp::add, DataType::bf16, RowsShape{1000, 1000}};
  EXPECT_NEAR(prices.kernel(add).time.in(unit::microsecond), 1.0 + 6e6 / 0.8e12 * 1e6, 1e-9);
}

TEST(DatasheetPrices, NameTheMissingPeak) {
  Cluster cluster;
  cluster.name = "made";
  cluster.device.memory_bandwidth = 1e12 * unit::byte / unit::second;
  const PriceList prices = prices_from(cluster, Strictness::any_tier);
  EXPECT_THROW((void)prices.kernel(gemm_key(64)), InputError);
}

}  // namespace
}  // namespace forerun
