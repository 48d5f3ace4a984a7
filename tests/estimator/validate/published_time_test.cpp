// Seconds per step from what tables print.
#include "estimator/validate/published_time.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using testing::HasSubstr;

// GPT-3 175B as Narayanan et al. ran it: 96 layers, width 12288, 2048 tokens, 51200 words.
Job gpt_job() {
  Job job;
  job.model.layers = 96;
  job.model.hidden = 12288;
  job.model.ffn_hidden = 4 * 12288;
  job.model.vocabulary = 51200;
  job.model.attention.heads = job.model.attention.kv_heads = 96;
  job.model.attention.head_size = 128;
  job.model.activation = Activation::gelu;
  job.model.tied_embeddings = true;
  job.recipe.sequence = 2048;
  job.recipe.global_batch = 1536;
  job.recipe.precision = Precision::fp16;
  job.layout = {.tensor = 8, .pipeline = 12, .data = 4};
  return job;
}

DeviceSpec a100() {
  DeviceSpec device;
  device.peak[DataType::fp16] = 312.0 * unit::teraflop / unit::second;
  return device;
}

std::optional<PublishedTime> published(const Cells& results, const std::string& convention) {
  return published_time(results, convention, gpt_job(), a100());
}

TEST(PublishedTime, PrefersSecondsThenTokensThenFlop) {
  const auto seconds = published({{"step_time_s", "76.78"}, {"tokens_per_s_per_gpu", "1"}}, "");
  ASSERT_TRUE(seconds);
  EXPECT_DOUBLE_EQ(seconds->time.in(unit::second), 76.78);
  EXPECT_EQ(seconds->from, "step_time_s");
  // 1536 x 2048 tokens over 384 devices at 100 tokens/s each: 81.92 s.
  const auto tokens = published({{"tokens_per_s_per_gpu", "100"}, {"tflops_per_gpu", "1"}}, "");
  ASSERT_TRUE(tokens);
  EXPECT_NEAR(tokens->time.in(unit::second), 81.92, 1e-9);
}

// Table 2 of Narayanan et al.: 153 TFLOP/s on 384 devices is 76.78 s by the paper's formula.
TEST(PublishedTime, CountsFlopAsNarayananDoes) {
  const auto time =
      published({{"tflops_per_gpu", "153"}}, "Megatron 96*B*s*l*h^2 formula with full recompute");
  ASSERT_TRUE(time);
  EXPECT_NEAR(time->time.in(unit::second), 76.78, 0.01);
  EXPECT_THAT(time->from, HasSubstr("96 B s l h^2"));
}

double flop_per_token(const std::string& convention) {
  const auto counted = flops_by_convention(convention, gpt_job());
  EXPECT_TRUE(counted) << convention;
  return counted ? counted->flops.in(unit::flop) / (1536.0 * 2048.0) : 0.0;
}

TEST(PublishedTime, KnowsTheConventionsOfTheTables) {
  const double l = 96;
  const double h = 12288;
  const double s = 2048;
  const double v = 51200;
  // By hand: Korthikanti's formula, and Megatron's sum of products with the whole square, are one.
  const double model = 72 * l * h * h * (1 + s / (6 * h) + v / (12 * l * h));
  EXPECT_NEAR(flop_per_token("72*B*s*l*h^2*(1+s/6h+V/12lh)"), model, 1e-6 * model);
  EXPECT_NEAR(flop_per_token("model FLOPs; attention full s^2 (inferred)"), model, 1e-6 * model);
  // Half the square: 6 l h s less.
  const double causal = model - 6 * l * h * s;
  EXPECT_NEAR(flop_per_token("model FLOPs; attention causal s^2/2"), causal, 1e-6 * causal);
  // 6 N + 12 l h s with the parameters of the shape: within their biases and norms of 12 l h^2.
  const double palm = 6 * (12 * l * h * h + v * h) + 12 * l * h * s;
  EXPECT_NEAR(flop_per_token("MFU: 6*n_params(tokens)+12*L*d*s full s^2"), palm, 1e-3 * palm);
  EXPECT_NEAR(
      flop_per_token("torchtitan: 6*N+12*L*h*s (full s^2), peak 312/989"), palm, 1e-3 * palm);
  const double eight = 8 * (12 * l * h * h + v * h);
  EXPECT_NEAR(flop_per_token("8*N*tokens estimate (about 3% low)"), eight, 1e-3 * eight);
}

TEST(PublishedTime, TurnsUtilisationIntoSecondsByThePeakThatTheTableStates) {
  const auto stated = published({{"mfu_pct", "50"}}, "BF16 model FLOPs; peak 989");
  const auto own = published({{"mfu_pct", "50"}}, "BF16 model FLOPs");
  ASSERT_TRUE(stated && own);
  EXPECT_NEAR(own->time / stated->time, 989.0 / 312.0, 1e-9);
}

TEST(PublishedTime, IsNothingWhereTheConventionIsNotKnown) {
  EXPECT_FALSE(published({{"tflops_per_gpu", "147"}}, "as published"));
  EXPECT_FALSE(published({}, "model FLOPs"));
}

TEST(PublishedTime, RefusesResultsThatAreNone) {
  EXPECT_THROW((void)published({{"step_time_s", "0"}}, ""), InputError);
  EXPECT_THROW((void)published({{"step_time_s", "fast"}}, ""), InputError);
  EXPECT_THROW((void)published({{"tokens_per_s_per_gpu", "-3"}}, ""), InputError);
}

}  // namespace
}  // namespace forerun
