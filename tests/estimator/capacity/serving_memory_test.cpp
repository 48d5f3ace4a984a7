// What serving holds in memory, against published cache sizes and counts by hand.
#include "estimator/capacity/serving_memory.hpp"

#include <gtest/gtest.h>

#include "jobs/parameter_count.hpp"
#include "jobs/read_model.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr double long_context = 262'144.0;

double gibibytes(const std::string& model, double tokens = long_context) {
  return cache_bytes(read_model(model), ServingPrecision::bf16, tokens).in(unit::gibibyte);
}

// forecasting.md H9 to H14, 16 bits at 262,144 tokens: 2 x layers x key-value heads x 128 x 2 B.
TEST(CacheBytes, OfPublishedModelsAt262144Tokens) {
  EXPECT_DOUBLE_EQ(gibibytes("llama-2-7b"), 128.0);      // H9
  EXPECT_DOUBLE_EQ(gibibytes("mistral-7b-v0.3"), 32.0);  // H10
  EXPECT_DOUBLE_EQ(gibibytes("llama-3-8b"), 32.0);       // H10
  EXPECT_DOUBLE_EQ(gibibytes("llama-2-70b"), 80.0);      // H12
  EXPECT_DOUBLE_EQ(gibibytes("llama-3.1-405b"), 126.0);  // H13
  EXPECT_DOUBLE_EQ(gibibytes("gpt3-175b"), 1152.0);      // H14
}

// H11: 4 GiB of keys and values in 4 attention layers. 28 Mamba layers add 311,296 B each
// (8192 channels x (16 states + 3 inputs) x 2 B), 8.31 MiB, whatever the context.
TEST(CacheBytes, OfJambaGrowsInFourLayersOnly) {
  const ModelShape jamba = read_model("jamba-v0.1");
  const Bytes states = cache_bytes(jamba, ServingPrecision::bf16, 0.0);
  EXPECT_DOUBLE_EQ(states.in(unit::byte), 28.0 * 311'296.0);
  EXPECT_NEAR(states.in(unit::mebibyte), 8.31, 0.005);
  const Bytes all = cache_bytes(jamba, ServingPrecision::bf16, long_context);
  EXPECT_DOUBLE_EQ((all - states).in(unit::gibibyte), 4.0);
}

// Mistral's first version slides over 4,096 tokens: 128 KiB a token, 512 MiB at most.
TEST(CacheBytes, OfASlidingWindowStopGrowing) {
  EXPECT_DOUBLE_EQ(gibibytes("mistral-7b-v0.1"), 0.5);
  EXPECT_DOUBLE_EQ(gibibytes("mistral-7b-v0.1", 2048.0), 0.25);
}

// DeepSeek-V3: 61 layers x (512 + 64) elements x 2 B = 70,272 B a token, on every tensor rank.
TEST(CacheBytes, OfLatentAttentionAreNotSplit) {
  const ServedModel one{read_model("deepseek-v3"), {}, {1, 1, 1}, 8};
  ServedModel eight = one;
  eight.layout.tensor = 8;
  EXPECT_DOUBLE_EQ(cache_bytes(one, 1.0).in(unit::byte), 70'272.0);
  EXPECT_DOUBLE_EQ(cache_bytes(eight, 1.0).in(unit::byte), 70'272.0);
}

// Llama-2 70B has 8 key-value heads: 8 ranks hold an eighth each, 16 ranks too.
TEST(CacheBytes, OfSharedHeadsAreHeldTwiceBeyondTheirNumber) {
  const auto on_ranks = [](std::int64_t tensor) {
    const ServedModel served{read_model("llama-2-70b"), {}, {tensor, 1, 1}, 16};
    return cache_bytes(served, 1.0).in(unit::byte);
  };
  EXPECT_DOUBLE_EQ(on_ranks(1), 327'680.0);  // H12
  EXPECT_DOUBLE_EQ(on_ranks(8), 40'960.0);
  EXPECT_DOUBLE_EQ(on_ranks(16), 40'960.0);
}

TEST(CacheBytes, InEightBitsAreHalf) {
  const ModelShape model = read_model("llama-3-8b");
  const Bytes full = cache_bytes(model, ServingPrecision::bf16, 1000.0);
  EXPECT_DOUBLE_EQ(cache_bytes(model, ServingPrecision::fp8, 1000.0) / full, 0.5);
  EXPECT_DOUBLE_EQ(cache_bytes(model, ServingPrecision::int8, 1000.0) / full, 0.5);
}

// Every parameter once in 16 bits. Llama-2 7B: 6,738,415,616 of them.
TEST(WeightBytes, InSixteenBitsAreTwiceTheParameters) {
  for (const char* name : {"llama-2-7b", "mixtral-8x7b", "jamba-v0.1", "deepseek-v3"}) {
    const ModelShape model = read_model(name);
    const ServedModel served{model, {}, {1, 1, 1}, 8};
    const double published = 2.0 * static_cast<double>(count_parameters(model).total);
    EXPECT_NEAR(weight_bytes(served).in(unit::byte) / published, 1.0, 1e-3) << name;
  }
}

// 32 layers x (4 x 4096^2 + 3 x 4096 x 11008) = 6,476,005,376 quantised; 2 x 32,000 x 4096 of
// embedding and head and 65 norms of 4096 stay at 2 B. int4 with 2 B of scale for 128: 0.515625 B.
TEST(WeightBytes, InFourBitsLeaveEmbeddingAndNormsAlone) {
  const ServedModel served{
      read_model("llama-2-7b"), {ServingPrecision::int4, ServingPrecision::bf16}, {1, 1, 1}, 8};
  const double expected = 6'476'005'376.0 * 0.515625 + 2.0 * (262'144'000.0 + 64.0 * 4096.0);
  EXPECT_NEAR(weight_bytes(served).in(unit::byte), expected, 2.0 * 4096.0);
}

// All ranks together hold every expert once, and what is replicated more than once.
TEST(WeightBytes, OfExpertsAreSharedByTheRanksOfAStage) {
  const ModelShape model = read_model("mixtral-8x7b");
  const ServedModel whole{model, {}, {1, 1, 1}, 8};
  const ServedModel split{model, {}, {1, 1, 8}, 8};
  const double experts = 2.0 * 32.0 * 8.0 * 3.0 * 4096.0 * 14'336.0;
  EXPECT_NEAR((weight_bytes(whole) - weight_bytes(split)).in(unit::byte), experts * 7.0 / 8.0, 1.0);
}

TEST(WeightBytes, OfStagesAreThoseOfTheLargest) {
  const ModelShape model = read_model("llama-2-70b");
  const ServedModel one{model, {}, {1, 1, 1}, 8};
  const ServedModel two{model, {}, {1, 2, 1}, 8};
  const double edge = 2.0 * 32'000.0 * 8192.0;
  const double layers = weight_bytes(one).in(unit::byte)-2.0 * edge;
  EXPECT_NEAR(weight_bytes(two).in(unit::byte), layers / 2.0 + edge, 2.0 * 8192.0);
}

}  // namespace
}  // namespace forerun
