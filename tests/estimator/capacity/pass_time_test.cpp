// Times of passes on a machine of known rates.
#include "estimator/capacity/pass_time.hpp"

#include <gtest/gtest.h>

#include "estimator/capacity/serving_memory.hpp"
#include "jobs/read_model.hpp"
#include "tests/estimator/capacity/made_prices.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

ServedModel llama_7b(ServingPrecision weights = ServingPrecision::bf16) {
  return {read_model("llama-2-7b"), {weights, ServingPrecision::bf16}, {1, 1, 1}, 8};
}

double seconds(const ServedModel& served, const PassShape& pass, const MadeMachine& machine = {}) {
  return iteration_time(served, pass, made_prices(machine)).total().in(unit::second);
}

// At 1 TB/s a token of one sequence streams every weight but the embedding once: 2 x 6.607e9 B,
// 13.2 ms; activations add under 1 %.
TEST(IterationTime, OfOneSequenceStreamsTheWeights) {
  const double weights = 2.0 * (6'738'415'616.0 - 131'072'000.0) / 1e12;
  const double time = seconds(llama_7b(), {1, 1.0, 0.0, 1});
  EXPECT_GT(time, weights);
  EXPECT_LT(time, 1.01 * weights);
}

// Every token of context adds 524,288 B (forecasting.md H9): 0.524 us at 1 TB/s.
TEST(IterationTime, GrowsByTheCacheOfAToken) {
  const double near = seconds(llama_7b(), {1, 1000.0, 0.0, 1});
  const double far = seconds(llama_7b(), {1, 3000.0, 0.0, 1});
  EXPECT_NEAR((far - near) / 2000.0, 524'288.0 / 1e12, 1e-15);
}

// Many sequences compute: 2 FLOP a weight and sequence at 100 TFLOP/s.
TEST(IterationTime, OfManySequencesComputes) {
  const double step =
      seconds(llama_7b(), {4096, 1.0, 0.0, 1}) - seconds(llama_7b(), {2048, 1.0, 0.0, 1});
  const double flop = 2.0 * 2048.0 * (6'738'415'616.0 - 131'072'000.0);
  EXPECT_NEAR(step / (flop / 100e12), 1.0, 0.1);
}

// int8 streams half of the layers' weights, int4 with its scales 0.2578 of them; when compute is
// the limit neither helps.
TEST(IterationTime, OfNarrowWeightsStreamsLess) {
  const PassShape one{1, 1.0, 0.0, 1};
  const auto of_weights = [&](ServingPrecision precision, const PassShape& pass) {
    return iteration_time(llama_7b(precision), pass, made_prices({}))
        .parts[static_cast<std::size_t>(ServingPart::weights)]
        .in(unit::second);
  };
  const double full = of_weights(ServingPrecision::bf16, one);
  EXPECT_NEAR(of_weights(ServingPrecision::int8, one) / full, 0.5, 2e-3);
  EXPECT_NEAR(of_weights(ServingPrecision::int4, one) / full, 0.515625 / 2.0, 2e-3);
  const PassShape many{8192, 1.0, 0.0, 1};
  EXPECT_NEAR(of_weights(ServingPrecision::int4, many) / of_weights(ServingPrecision::bf16, many),
              1.0,
              0.01);
}

// nvfp4 on a machine whose 4-bit peak is three times that of fp8: one token streams 4.5 of 8 bits,
// many compute in a third of fp8's time, and no price of it is better than datasheet.
TEST(IterationTime, OfNvfp4IsPricedAsInTraining) {
  ServedModel narrow = llama_7b(ServingPrecision::nvfp4);
  narrow.nvfp4 = Nvfp4Rate{3.0, MadeMachine().memory};
  const auto of_weights = [](const ServedModel& served, std::int64_t sequences) {
    return iteration_time(served, {sequences, 1.0, 0.0, 1}, made_prices({}))
        .parts[static_cast<std::size_t>(ServingPart::weights)]
        .in(unit::second);
  };
  const ServedModel wide = llama_7b(ServingPrecision::fp8);
  EXPECT_NEAR(of_weights(narrow, 1) / of_weights(wide, 1), 0.5625, 2e-3);
  EXPECT_NEAR(of_weights(narrow, 8192) / of_weights(wide, 8192), 1.0 / 3.0, 1e-3);
  const PassTime time = iteration_time(narrow, {1, 1.0, 0.0, 1}, made_prices({}));
  EXPECT_GE(time.tiers[static_cast<std::size_t>(Tier::datasheet)],
            time.parts[static_cast<std::size_t>(ServingPart::weights)]);
}

// A product of narrow weights was not measured, whatever its stand-in was.
TEST(IterationTime, OfNarrowWeightsIsNeverMeasured) {
  const PassTime time =
      iteration_time(llama_7b(ServingPrecision::int4), {1, 1.0, 0.0, 1}, made_prices({}));
  EXPECT_GT(time.tiers[static_cast<std::size_t>(Tier::fitted)].in(unit::second), 0.0);
}

ServedModel llama_7b_on(const char* software) {
  ServedModel served = llama_7b();
  served.software = *serving_software_from(software);
  return served;
}

Seconds host_wait(const PassTime& time) {
  return time.parts[static_cast<std::size_t>(ServingPart::host)];
}

// A layer of Llama launches two norms, rope, four products, attention, the gate and two residuals;
// eagerly 2 x 8 + 14 + 5 + (8 and two copies of the cache) + 3 + 2 = 50, and 12 for embedding,
// final norm, head and sampling: 1612 launches of 10 us. On a machine that computes in no time the
// host is the whole pass.
TEST(IterationTime, OfEagerSoftwareIsItsLaunches) {
  const MadeMachine instant{
      1e9 * unit::gigabyte / unit::second, 1e9 * unit::teraflop / unit::second, Seconds()};
  const PassTime time =
      iteration_time(llama_7b_on("pytorch-eager"), {1, 100.0, 0.0, 1}, made_prices(instant));
  EXPECT_DOUBLE_EQ(time.launches, 32.0 * 49.0 + 12.0);
  EXPECT_NEAR(time.total().in(unit::second), 10e-6 * time.launches, 1e-9);
}

// Launching and computing go on side by side: a device that is busy for longer waits for nothing,
// and a replayed graph never.
TEST(IterationTime, OfABusyDeviceHidesItsLaunches) {
  const PassShape pass{1, 100.0, 0.0, 1};
  const PriceList prices = made_prices({});
  EXPECT_EQ(host_wait(iteration_time(llama_7b_on("fastertransformer"), pass, prices)), Seconds());
  EXPECT_GT(host_wait(iteration_time(llama_7b_on("pytorch-eager"), pass, prices)), Seconds());
  EXPECT_EQ(host_wait(iteration_time(llama_7b(), pass, prices)), Seconds());
}

// Software that launches its collectives one by one waits for the slowest rank.
TEST(IterationTime, OfLaunchedCollectivesHasAFloor) {
  ServedModel served{read_model("llama-2-70b"), {}, {8, 1, 1}, 8};
  PriceList prices = made_prices({});
  prices.launched = [](const CollectiveKey&) { return 60.0 * unit::microsecond; };
  const auto exchange = [&] {
    return iteration_time(served, {1, 100.0, 0.0, 1}, prices)
        .parts[static_cast<std::size_t>(ServingPart::exchange)]
        .in(unit::second);
  };
  EXPECT_NEAR(exchange(), 161.0 * 10e-6, 1e-12);
  served.software = *serving_software_from("fastertransformer");
  EXPECT_NEAR(exchange(), 161.0 * 60e-6, 1e-12);
}

// Eight query heads share a key-value head of Llama 2 70B: a kernel of a block a query head reads
// each cache eight times.
TEST(IterationTime, OfOneQueryKernelsReadsTheCacheForEveryHead) {
  ServedModel served{read_model("llama-2-70b"), {}, {1, 1, 1}, 8};
  const auto cache = [&] {
    return iteration_time(served, {1, 1e6, 0.0, 1}, made_prices({}))
        .parts[static_cast<std::size_t>(ServingPart::cache)]
        .in(unit::second);
  };
  const double shared = cache();
  served.software = *serving_software_from("fastertransformer");
  EXPECT_NEAR(cache() / shared, 8.0, 0.01);
}

// Four waves on four stages take four stage times a token; where every token ends before the next
// begins, 4 + 4 - 1.
TEST(IterationTime, OfTokensThatEndTogetherFillsAndDrainsThePipeline) {
  ServedModel served = llama_7b();
  served.layout.pipeline = 4;
  const double flowing = seconds(served, {4, 100.0, 0.0, 1});
  served.software.flows = false;
  EXPECT_NEAR(seconds(served, {4, 100.0, 0.0, 1}) / flowing, 7.0 / 4.0, 1e-12);
  served.layout.pipeline = 1;
  const double one = seconds(served, {4, 100.0, 0.0, 1});
  served.software.flows = true;
  EXPECT_DOUBLE_EQ(one, seconds(served, {4, 100.0, 0.0, 1}));
}

// Four prompts through four stages: the last leaves after 4 + 4 - 1 stage times of one prompt; one
// prompt alone takes all stages in turn.
TEST(BatchPrefill, FillsThePipeline) {
  ServedModel served = llama_7b();
  served.layout.pipeline = 4;
  const PriceList prices = made_prices(
      {1e9 * unit::gigabyte / unit::second, 100.0 * unit::teraflop / unit::second, Seconds()});
  const double one =
      batch_prefill_time(served, {0, 0.0, 1.0, 512}, prices).total().in(unit::second);
  const double four =
      batch_prefill_time(served, {0, 0.0, 4.0, 512}, prices).total().in(unit::second);
  EXPECT_NEAR(four / one, 7.0 / 4.0, 0.02);
}

// 2 x 80 all-reduces and the gather of the logits, 10 us each.
TEST(IterationTime, OfATensorGroupWaitsForItsMessages) {
  const ServedModel served{read_model("llama-2-70b"), {}, {8, 1, 1}, 8};
  const PassTime time = iteration_time(served, {1, 100.0, 0.0, 1}, made_prices({}));
  EXPECT_NEAR(time.parts[static_cast<std::size_t>(ServingPart::exchange)].in(unit::second),
              161.0 * 10e-6,
              1e-12);
}

// Two stages hold half of the layers each: a lone sequence gains nothing by them, and waits for a
// message a stage.
TEST(IterationTime, OfAPipelineIsNotShorterForOneSequence) {
  ServedModel served = llama_7b();
  const double one = seconds(served, {1, 100.0, 0.0, 1});
  served.layout.pipeline = 2;
  EXPECT_GT(seconds(served, {1, 100.0, 0.0, 1}), one);
}

TEST(PassTime, PartsAndTiersSumToTheTotal) {
  const PassTime time = iteration_time(llama_7b(), {8, 500.0, 0.25, 1024}, made_prices({}));
  Seconds tiers;
  for (const Seconds tier : time.tiers) {
    tiers += tier;
  }
  EXPECT_NEAR(tiers / time.total(), 1.0, 1e-12);
}

// Attention with 128 heads on one latent computes longer than it reads where a machine has less
// than 242 FLOP for each byte.
TEST(PriceOf, ACacheReadIsItsComputationWhereThatIsLonger) {
  const ServedModel served{read_model("deepseek-v3"), {}, {1, 1, 1}, 8};
  const MadeMachine slow{
      1000.0 * unit::gigabyte / unit::second, 100.0 * unit::teraflop / unit::second, Seconds()};
  const PriceList prices = made_prices(slow);
  for (const ServingOp& op : layer_ops(served, {1, 100'000.0, 0.0, 1}, 10)) {
    if (std::holds_alternative<CacheRead>(op.work)) {
      const double flop = 2.0 * 128.0 * 100'000.0 * 1088.0;
      EXPECT_NEAR(price_of(op, served, prices).time.in(unit::second), flop / 100e12, 1e-9);
    }
  }
}

}  // namespace
}  // namespace forerun
