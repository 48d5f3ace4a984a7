// Shapes that have rules of their own: rows of groups, the mask, sizes that contradict each other.
#include <cmath>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/kernel_cost.hpp"
#include "kernels/operands.hpp"
#include "kernels/valid_key.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

GroupedGemmShape grouped(std::int64_t groups, std::int64_t rows, std::int64_t largest) {
  return {groups, rows, largest, 8, 8, GemmLayout::nt, GemmOutput::store};
}

TEST(GroupRows, AreEqualWhenTheLargestIsTheMean) {
  EXPECT_THAT(group_rows(grouped(4, 64, 16)), testing::Each(16));
  EXPECT_THAT(group_rows(grouped(4, 62, 16)), testing::ElementsAre(16, 16, 15, 15));
}

TEST(GroupRows, AddUpAndNeverExceedTheLargest) {
  for (const std::int64_t largest : {100, 150, 300, 799, 800}) {
    const auto rows = group_rows(grouped(8, 800, largest));
    EXPECT_EQ(rows.front(), largest);
    EXPECT_EQ(std::accumulate(rows.begin(), rows.end(), std::int64_t{0}), 800);
    EXPECT_THAT(rows, testing::Each(testing::AllOf(testing::Ge(0), testing::Le(largest))));
  }
}

TEST(GroupRows, FollowAPowerLaw) {
  // Shares 1, 1/2, 1/3, 1/4 of 25/12: alpha is 1 when the first of 2500 rows gets 1200.
  EXPECT_THAT(group_rows(grouped(4, 2500, 1200)), testing::ElementsAre(1200, 600, 400, 300));
}

TEST(GroupRows, RefuseWhatCannotBe) {
  EXPECT_THROW((void)group_rows(grouped(4, 64, 15)), std::invalid_argument);
  EXPECT_THROW((void)group_rows(grouped(4, 64, 65)), std::invalid_argument);
  EXPECT_THROW((void)group_rows(grouped(1, 64, 63)), std::invalid_argument);
}

// Pairs under the mask, counted one by one.
std::int64_t counted_pairs(const AttentionKeyShape& shape) {
  std::int64_t pairs = 0;
  for (std::int64_t query = 0; query < shape.length; ++query) {
    const auto [first, last] = visible_keys(shape, query);
    pairs += last - first;
  }
  return pairs;
}

TEST(VisibleKeys, EndAtTheQueryAndStartWithItsWindow) {
  const AttentionKeyShape shape{
      .length = 8, .head_size = 1, .mask = Mask::causal, .keys = 0, .window = 3};
  EXPECT_EQ(visible_keys(shape, 0).first, 0);
  EXPECT_EQ(visible_keys(shape, 0).last, 1);
  EXPECT_EQ(visible_keys(shape, 7).first, 5);
  EXPECT_EQ(visible_keys(shape, 7).last, 8);
}

TEST(VisibleKeys, OfAChunkThatLiesBehindItsKeysAreAll) {
  const AttentionKeyShape shape{.length = 4, .mask = Mask::causal, .keys = 4, .offset = 4};
  EXPECT_EQ(visible_keys(shape, 0).last, 4);
  const AttentionKeyShape ahead{.length = 4, .mask = Mask::causal, .keys = 4, .offset = -4};
  EXPECT_EQ(visible_keys(ahead, 3).last, 0);
}

// The closed form counts the diagonal half: it is off by at most one key in two for each query.
TEST(AttentionFlops, FollowTheMask) {
  for (const std::int64_t keys : {0, 40, 200}) {
    for (const std::int64_t offset : {0, 50, 136}) {
      for (const std::int64_t window : {0, 16, 64, 500}) {
        for (const Mask mask : {Mask::causal, Mask::full}) {
          const AttentionKeyShape shape{.batch = 1,
                                        .length = 64,
                                        .heads = 1,
                                        .kv_heads = 1,
                                        .head_size = 8,
                                        .mask = mask,
                                        .keys = keys,
                                        .offset = offset,
                                        .window = window};
          const KernelKey key{KernelOp::attention_forward, DataType::fp32, shape};
          const double pairs = hardware_flops(key).in(unit::flop) / (4.0 * 8.0);
          EXPECT_NEAR(pairs, static_cast<double>(counted_pairs(shape)), 64.0) << text_of(key);
        }
      }
    }
  }
}

// modelling.md 1.2: forward 2 b s^2 a (e_qk + e_v), backward 2 b s^2 a (3 e_qk + 2 e_v), halved.
TEST(AttentionFlops, TakeTheValuesSizeOfLatentAttention) {
  KernelKey key = *kernel_key_from(
      "attention_forward bf16 batch=2 length=100 heads=4 kv_heads=4 head_size=192 causal "
      "value_size=128");
  EXPECT_DOUBLE_EQ(hardware_flops(key).in(unit::flop), 2.0 * 10000.0 * 4.0 * (192.0 + 128.0));
  key.op = KernelOp::attention_backward;
  EXPECT_DOUBLE_EQ(hardware_flops(key).in(unit::flop),
                   2.0 * 10000.0 * 4.0 * (3.0 * 192.0 + 2.0 * 128.0));
}

TEST(Contradictions, AreNamed) {
  const auto complaint = [](const char* text) {
    return contradiction_in(*kernel_key_from(text)).value_or("none");
  };
  EXPECT_EQ(complaint("gemm fp32 m=1 n=0 k=1 nt"), "n is 0, every size must be at least 1");
  EXPECT_THAT(complaint("decode_attention fp32 batch=1 context=8 heads=5 kv_heads=2 head_size=4"),
              testing::HasSubstr("5 heads do not share 2 kv_heads"));
  EXPECT_THAT(complaint("latent_decode_attention fp32 batch=1 context=8 heads=2 kv_heads=1 "
                        "head_size=4 value_size=5"),
              testing::HasSubstr("value_size 5 is more than head_size 4"));
  EXPECT_THAT(complaint("grouped_gemm fp32 groups=4 rows=64 largest=15 n=8 k=8 nt"),
              testing::HasSubstr("expected 16 to 64"));
  EXPECT_THAT(complaint("router_forward fp32 tokens=4 experts=2 top_k=3"),
              testing::HasSubstr("3 choices among 2"));
  EXPECT_EQ(complaint("router_forward fp32 tokens=4 experts=3 top_k=3"), "none");
}

std::vector<std::int32_t> indices_of(const char* text, std::string_view operand) {
  return sample_indices(*kernel_key_from(text), operand, 7);
}

TEST(SampleIndices, AreAPermutationWhereRowsMove) {
  const auto rows = indices_of("permute_forward bf16 tokens=50 top_k=3 columns=8", "row_of");
  EXPECT_EQ(rows.size(), 150U);
  EXPECT_EQ(std::set<std::int32_t>(rows.begin(), rows.end()).size(), 150U);
  EXPECT_THAT(rows, testing::Each(testing::AllOf(testing::Ge(0), testing::Lt(150))));
}

TEST(SampleIndices, ChooseDistinctExpertsForAToken) {
  const auto chosen = indices_of("expert_sort int32 tokens=20 experts=5 top_k=4", "chosen");
  ASSERT_EQ(chosen.size(), 80U);
  for (std::size_t token = 0; token < 20; ++token) {
    const std::set<std::int32_t> mine(chosen.begin() + static_cast<std::ptrdiff_t>(4 * token),
                                      chosen.begin() + static_cast<std::ptrdiff_t>(4 * token + 4));
    EXPECT_EQ(mine.size(), 4U);
    EXPECT_LT(*mine.rbegin(), 5);
  }
}

TEST(SampleIndices, EndWithAllRowsOfTheGroups) {
  EXPECT_THAT(indices_of("grouped_gemm bf16 groups=4 rows=62 largest=16 n=8 k=8 nt", "ends"),
              testing::ElementsAre(16, 32, 47, 62));
}

// Press et al. 2021, section 3: 8 heads have 1/2, 1/4, ..., 1/256; 16 heads start at 2^-0.5.
TEST(AlibiSlope, IsAGeometricSequence) {
  for (std::int64_t head = 0; head < 8; ++head) {
    EXPECT_DOUBLE_EQ(alibi_slope(head, 8), std::ldexp(1.0, -static_cast<int>(head) - 1));
  }
  EXPECT_DOUBLE_EQ(alibi_slope(0, 16), std::sqrt(0.5));
}

// Of 12 heads, 8 have the slopes of 8 heads, 4 the first, third, fifth and seventh of 16.
TEST(AlibiSlope, FillsUpWithEverySecondOfTwiceAsMany) {
  EXPECT_DOUBLE_EQ(alibi_slope(7, 12), std::ldexp(1.0, -8));
  for (std::int64_t extra = 0; extra < 4; ++extra) {
    EXPECT_DOUBLE_EQ(alibi_slope(8 + extra, 12), alibi_slope(2 * extra, 16));
  }
}

TEST(RotarySize, IsAllOfTheHeadUnlessSaid) {
  EXPECT_EQ(rotary_size(HeadsShape{.head_size = 64}), 64);
  EXPECT_EQ(rotary_size(HeadsShape{.head_size = 64, .rotary_size = 16}), 16);
}

}  // namespace
}  // namespace forerun
