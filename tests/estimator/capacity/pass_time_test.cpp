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

// A product of narrow weights was not measured, whatever its stand-in was.
TEST(IterationTime, OfNarrowWeightsIsNeverMeasured) {
  const PassTime time =
      iteration_time(llama_7b(ServingPrecision::int4), {1, 1.0, 0.0, 1}, made_prices({}));
  EXPECT_GT(time.tiers[static_cast<std::size_t>(Tier::fitted)].in(unit::second), 0.0);
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
