// Unmeasured kernels: which tier, which value where the truth is known, which error.
#include "estimator/profile/kernel_curves.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/estimator/profile/made_profile.hpp"

namespace forerun {
namespace {

// A device that follows a roofline times a utilisation that depends on n alone.
double made_seconds(const KernelKey& key) {
  const auto& s = std::get<GemmShape>(key.shape);
  const Roofline truth{5e-6, 5e11, 1e10};
  const double bump = 1.0 + 0.2 * std::sin(std::log(static_cast<double>(s.n)));
  return bump *
         truth.seconds(hardware_flops(key).in(unit::flop), minimum_traffic(key).in(unit::byte));
}

KernelRecord made_record(const KernelKey& key) {
  return {key, exactly(made_seconds(key) * unit::second)};
}

std::vector<KernelRecord> made_records() {
  std::vector<KernelRecord> records;
  for (const std::int64_t m : {256, 512, 1024, 2048, 4096}) {
    for (const std::int64_t n : {1024, 1536, 2048, 4096, 6144}) {
      for (const std::int64_t k : {1024, 2048, 4096}) {
        records.push_back(made_record(gemm_key(m, n, k)));
      }
    }
  }
  return records;
}

double error_of(const Price& price, const KernelKey& key) {
  return std::abs(price.time.in(unit::second) / made_seconds(key) - 1.0);
}

TEST(KernelCurves, FollowTheirOwnCurveBetweenItsPoints) {
  const KernelCurves curves(made_records());
  const KernelKey key = gemm_key(768, 1536, 2048);
  const auto price = curves.price(key);
  ASSERT_TRUE(price.has_value());
  EXPECT_EQ(price->tier, Tier::interpolated);
  EXPECT_LT(error_of(*price, key), 0.01);
}

TEST(KernelCurves, TransferTheUtilisationOfNeighbours) {
  const KernelCurves curves(made_records());
  const KernelKey key = gemm_key(768, 5120, 3072);  // neither n nor k was measured
  const auto price = curves.price(key);
  ASSERT_TRUE(price.has_value());
  EXPECT_EQ(price->tier, Tier::interpolated);
  EXPECT_LT(error_of(*price, key), 0.1);
  EXPECT_GT(price->relative_error, 0.0);
}

TEST(KernelCurves, TakeTheRooflineFarFromEverything) {
  const KernelCurves curves(made_records());
  const KernelKey key = gemm_key(1048576, 65536, 65536);
  const auto price = curves.price(key);
  ASSERT_TRUE(price.has_value());
  EXPECT_EQ(price->tier, Tier::fitted);
  EXPECT_LT(error_of(*price, key), 0.5);  // it cannot know the bump of n
}

TEST(KernelCurves, TrustAFarNeighbourLess) {
  const KernelCurves curves(made_records());
  const double near = curves.price(gemm_key(1024, 1800, 2048))->relative_error;
  const double far = curves.price(gemm_key(16384, 24576, 16384))->relative_error;
  EXPECT_GT(far, near);
}

TEST(KernelCurves, PreferRowsThatFillTheirTilesWhenTheirOwnDo) {
  std::vector<KernelRecord> records;
  for (const std::int64_t m : {128, 256, 384, 512}) {
    records.push_back(made_record(gemm_key(m)));
    KernelRecord ragged = made_record(gemm_key(m + 8));
    ragged.timing = exactly(1.5 * ragged.timing.median);
    records.push_back(ragged);
  }
  const KernelCurves curves(records);
  const KernelKey whole = gemm_key(320 + 128 - 64);  // 384 was measured; 448 is ragged
  EXPECT_LT(error_of(*curves.price(whole), whole), 0.02);
  const KernelKey ragged = gemm_key(400);
  EXPECT_NEAR(curves.price(ragged)->time.in(unit::second) / made_seconds(ragged), 1.5, 0.1);
}

TEST(KernelCurves, PriceAnotherOperationOfTheKindByItsRoofline) {
  const KernelCurves curves(made_records());
  const auto attention = kernel_key_from(
      "attention_forward fp32 batch=1 length=1024 heads=16 kv_heads=16 head_size=64 causal");
  const auto price = curves.price(*attention);
  ASSERT_TRUE(price.has_value());
  EXPECT_EQ(price->tier, Tier::fitted);
}

TEST(KernelCurves, KnowNothingOfAnotherKind) {
  const KernelCurves curves(made_records());
  EXPECT_FALSE(curves.price(*kernel_key_from("add fp32 rows=8 columns=8")).has_value());
  EXPECT_FALSE(curves.price(*kernel_key_from("gemm bf16 m=8 n=8 k=8 nt")).has_value());
}

}  // namespace
}  // namespace forerun
