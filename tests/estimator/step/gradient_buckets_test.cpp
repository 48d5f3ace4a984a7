// Buckets of gradients: how many, and that they cover the flat buffer once.
#include "estimator/step/gradient_buckets.hpp"

#include <gtest/gtest.h>

namespace forerun {
namespace {

// Megatron's default of 40 million, and of a million for each of more than 40 ranks: GPT-2 has 124
// million, 175 billion take 171 of 1.024 billion.
TEST(GradientBuckets, AreAsManyAsMegatronMakes) {
  EXPECT_EQ(bucket_count(124e6, 2), 4.0);
  EXPECT_EQ(bucket_count(40e6, 2), 1.0);
  EXPECT_EQ(bucket_count(1e3, 2), 1.0);
  EXPECT_EQ(bucket_count(175e9, 1024), 171.0);
}

// 7 grains of 32 in three: the last 3, then 2, then 2, behind what lies before the buffer.
TEST(GradientBuckets, CoverTheBufferFromItsEnd) {
  const auto buckets = flat_buckets({1000, 7 * 32}, 3, 32);
  ASSERT_EQ(buckets.size(), 3U);
  EXPECT_EQ(buckets[0].first, 1000 + 4 * 32);
  EXPECT_EQ(buckets[0].elements, 3 * 32);
  EXPECT_EQ(buckets[1].first, 1000 + 2 * 32);
  EXPECT_EQ(buckets[1].elements, 2 * 32);
  EXPECT_EQ(buckets[2].first, 1000);
  EXPECT_EQ(buckets[2].elements, 2 * 32);
}

TEST(GradientBuckets, AreNoMoreThanThereAreGrains) {
  const auto buckets = flat_buckets({0, 64}, 100, 32);
  ASSERT_EQ(buckets.size(), 2U);
  EXPECT_EQ(buckets[0].first, 32);
  EXPECT_EQ(flat_buckets({0, 64}, 0, 32).size(), 1U);
}

}  // namespace
}  // namespace forerun
