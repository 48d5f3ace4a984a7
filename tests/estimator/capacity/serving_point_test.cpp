// Laws of steady states and static batches.
#include "estimator/capacity/serving_point.hpp"

#include <optional>
#include <utility>

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

// modelling.md 8: four tokens of five kept.
TEST(Speculation, YieldsWhatTheNotesCount) {
  const auto yield = [](std::int64_t tokens) {
    return tokens_of_a_round({std::nullopt, tokens, 0.8});
  };
  EXPECT_NEAR(yield(1), 1.80, 0.005);
  EXPECT_NEAR(yield(3), 2.95, 0.005);
  EXPECT_NEAR(yield(5), 3.69, 0.005);
  EXPECT_NEAR(yield(7), 4.16, 0.005);
  EXPECT_EQ(tokens_of_a_round({std::nullopt, 7, 0.0}), 1.0);
}

ServedModel speculating(std::optional<ModelShape> draft, std::int64_t tokens, double acceptance) {
  ServedModel served{read_model("llama-3-70b"), {}, {8, 1, 1}, 8};
  served.speculation = Speculation{std::move(draft), tokens, acceptance};
  return served;
}

// One sequence streams weights: a check costs what a token did, a draft its share of the weights,
// so the time of a token is (1 + K w / W) / yield of what it was.
TEST(Speculation, OfOneSequenceCostsTheDraftsWeights) {
  MadeMachine machine;
  machine.message = Seconds();
  const PriceList prices = made_prices(machine);
  const ServedModel with = speculating(read_model("llama-3-8b"), 3, 0.8);
  ServedModel without = with;
  without.speculation.reset();
  const Workload workload = requests(1, 1);
  const double ratio = decode_point(with, workload, 1, prices).tpot /
                       decode_point(without, workload, 1, prices).tpot;
  const double share = (8'030'261'248.0 - 525'336'576.0) / (70'553'706'496.0 - 1'050'673'152.0);
  EXPECT_NEAR(ratio, (1.0 + 3.0 * share) / 2.952, 0.01);
}

// Where products are bound by arithmetic a check of K + 1 tokens costs K + 1 times a token.
TEST(Speculation, OfManySequencesIsSlower) {
  const PriceList prices = made_prices({});
  const ServedModel with = speculating(std::nullopt, 4, 0.8);
  ServedModel without = with;
  without.speculation.reset();
  const Workload workload = requests(100, 100);
  const auto slower = [&](std::int64_t batch) {
    return decode_point(with, workload, batch, prices).tpot /
           decode_point(without, workload, batch, prices).tpot;
  };
  EXPECT_LT(slower(1), 0.5);
  EXPECT_GT(slower(1024), 1.0);
}

TEST(Speculation, HoldsTheDraftToo) {
  const ServedModel with = speculating(read_model("llama-3-8b"), 3, 0.8);
  ServedModel without = with;
  without.speculation.reset();
  const Workload workload = requests(1000, 1000);
  const ServingPoint more = decode_point(with, workload, 8, made_prices({}));
  const ServingPoint less = decode_point(without, workload, 8, made_prices({}));
  EXPECT_EQ((more.memory.weights - less.memory.weights).in(unit::byte),
            weight_bytes(served_draft(with)).in(unit::byte));
  EXPECT_EQ((more.memory.cache - less.memory.cache).in(unit::byte),
            8.0 * cache_bytes(served_draft(with), 1500.0).in(unit::byte));
  EXPECT_LT(most_sequences(with, workload, 60.0 * unit::gibibyte),
            most_sequences(without, workload, 60.0 * unit::gibibyte));
}

// On two stages eight sequences go round in two waves: while one is checked the draft proposes for
// the other, K passes of four sequences a round.
TEST(Speculation, OnStagesDraftsForOneWave) {
  ServedModel served = speculating(read_model("llama-3-8b"), 3, 0.8);
  served.layout = {4, 2, 1};
  const PriceList prices = made_prices({});
  const ServingPoint point = decode_point(served, requests(1000, 1000), 8, prices);
  const Seconds one = iteration_time(served_draft(served), {4, 1500.0, 0.0, 1000}, prices).total();
  const Seconds drafted = point.time.parts[static_cast<std::size_t>(ServingPart::draft)];
  EXPECT_NEAR(drafted / ((3.0 / tokens_of_a_round(*served.speculation)) * one), 1.0, 1e-9);
}

// In a pool of its own a draft reads every prompt too: its weights and cache lie beside the
// model's.
TEST(Speculation, OfAPrefillPoolReadsPromptsTwice) {
  const ServedModel with = speculating(read_model("llama-3-8b"), 3, 0.8);
  ServedModel without = with;
  without.speculation.reset();
  const Workload workload = requests(8192, 100);
  const PriceList prices = made_prices({});
  const ServingPoint more = prefill_point(with, workload, prices);
  const ServingPoint less = prefill_point(without, workload, prices);
  const Seconds draft = prefill_time(served_draft(with), {0, 0.0, 1.0, 8192}, prices).total();
  EXPECT_NEAR((more.time.total() - less.time.total()) / draft, 1.0, 1e-9);
  EXPECT_EQ((more.memory.weights - less.memory.weights).in(unit::byte),
            weight_bytes(served_draft(with)).in(unit::byte));
  EXPECT_GT(more.memory.cache, less.memory.cache);
  EXPECT_LT(more.tokens_per_s, less.tokens_per_s);
}

}  // namespace
}  // namespace forerun
