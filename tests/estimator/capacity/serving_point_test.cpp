// Laws of steady states and static batches.
#include "estimator/capacity/serving_point.hpp"

#include <gtest/gtest.h>

#include "estimator/capacity/serving_memory.hpp"
#include "jobs/read_model.hpp"
#include "tests/estimator/capacity/made_prices.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

ServedModel llama_8b() {
  return {read_model("llama-3-8b"), {}, {1, 1, 1}, 8};
}

Workload requests(std::int64_t input, std::int64_t output) {
  Workload workload;
  workload.input_tokens = input;
  workload.output_tokens = output;
  return workload;
}

// Little's law: sequences = requests a second x the time that each decodes.
TEST(ContinuousPoint, ObeysLittlesLaw) {
  const auto point = continuous_point(llama_8b(), requests(1000, 500), 32, made_prices({}));
  ASSERT_TRUE(point.has_value());
  const double requests_per_s = point->tokens_per_s / 500.0;
  EXPECT_NEAR(requests_per_s * 500.0 * point->tpot.in(unit::second), 32.0, 1e-9);
}

// Prompts cost: the same decoding without them is faster, and the more the longer they are.
TEST(ContinuousPoint, IsSlowedByPrompts) {
  const PriceList prices = made_prices({});
  const auto with = continuous_point(llama_8b(), requests(1000, 500), 32, prices);
  const auto longer = continuous_point(llama_8b(), requests(2000, 500), 32, prices);
  const ServingPoint alone = decode_point(llama_8b(), requests(1000, 500), 32, prices);
  EXPECT_GT(with->tpot, alone.tpot);
  EXPECT_GT(longer->tpot, with->tpot);
}

// A mean iteration takes what the prompts' tokens and the decoded ones take together: at 100
// TFLOP/s, far above the ridge, 2 FLOP a weight for each of n (1 + S/O) rows, and no weight is
// read for the prompts alone.
TEST(ContinuousPoint, ComputesPromptAndOutputTokensAlike) {
  const MadeMachine machine{
      1e6 * unit::gigabyte / unit::second, 100.0 * unit::teraflop / unit::second, Seconds()};
  const ServedModel served = llama_8b();
  const auto point = continuous_point(served, requests(1000, 1000), 2000, made_prices(machine));
  ASSERT_TRUE(point.has_value());
  const double weights = 32.0 * (4096.0 * (2.0 * 4096.0 + 2.0 * 1024.0) + 3.0 * 4096.0 * 14336.0);
  const double rows = 2000.0 * 2.0;
  EXPECT_NEAR(point->time.parts[static_cast<std::size_t>(ServingPart::weights)].in(unit::second),
              2.0 * weights * rows / 100e12,
              1e-6);
}

TEST(ContinuousPoint, DoesNotExistWherePromptsAreMoreThanThePassesHold) {
  // 8,000 sequences of 10 tokens each bring 8,000 x 10,000 / 10 prompt tokens an iteration.
  EXPECT_FALSE(
      continuous_point(llama_8b(), requests(10'000, 10), 8000, made_prices({})).has_value());
}

// A fast first token is that of a lone prompt; under load it waits.
TEST(ContinuousPoint, FirstTokensWaitUnderLoad) {
  const PriceList prices = made_prices({});
  const auto light = continuous_point(llama_8b(), requests(1000, 1000), 1, prices);
  const auto heavy = continuous_point(llama_8b(), requests(1000, 1000), 1024, prices);
  EXPECT_GT(heavy->ttft, light->ttft);
}

// 8 GiB x 0.9 of memory for weights and caches: by hand from their sizes.
TEST(MostSequences, FillTheMemoryThatIsLeft) {
  const ServedModel served = llama_8b();
  const Workload workload = requests(1000, 1000);
  const std::int64_t most = most_sequences(served, workload, 30.0 * unit::gibibyte);
  const Bytes each = 1500.0 * 131'072.0 * unit::byte;  // forecasting.md H10
  const Bytes left = 30.0 * unit::gibibyte - weight_bytes(served);
  EXPECT_LE(static_cast<double>(most) * each, left);
  EXPECT_GT(static_cast<double>(most) * each, 0.9 * left);  // the rest is room to work
}

TEST(MostSequences, AreNoneWhereWeightsDoNotFit) {
  EXPECT_EQ(most_sequences(llama_8b(), requests(10, 10), 8.0 * unit::gibibyte), 0);
}

// 512 tokens after the first of one sequence at 1 TB/s: each streams the weights, 15 GB.
TEST(StaticBatch, TakesAPromptAndThenAStepForEachToken) {
  const PriceList prices = made_prices({});
  const StaticBatch first = static_batch(llama_8b(), requests(100, 1), 1, prices);
  const StaticBatch all = static_batch(llama_8b(), requests(100, 513), 1, prices);
  EXPECT_EQ(first.latency, first.first_token);
  const double weights = 2.0 * (8'030'261'248.0 - 525'336'576.0) / 1e12;
  EXPECT_NEAR((all.latency - all.first_token).in(unit::second) / (512.0 * weights), 1.0, 0.01);
}

}  // namespace
}  // namespace forerun
