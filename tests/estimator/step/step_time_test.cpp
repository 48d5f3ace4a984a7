// The step: parts add up, and the laws that any cost model obeys.
#include "estimator/step/step_time.hpp"

#include <gtest/gtest.h>

#include "kernels/kernel_cost.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Kernels at a fixed FLOP and byte rate, collectives at a fixed wire rate.
PriceList simple_prices(double flops_per_s, double wire_bytes_per_s) {
  return {[=](const KernelKey& key) {
            const double seconds = hardware_flops(key).in(unit::flop) / flops_per_s +
                                   minimum_traffic(key).in(unit::byte) / (flops_per_s / 10.0);
            return Price{seconds * unit::second, Tier::measured, 0.01};
          },
          [=](const CollectiveKey& key) {
            return Price{wire_bytes(key) / wire_bytes_per_s * unit::second, Tier::fitted, 0.2};
          }};
}

double step_seconds(const Job& job,
                    double flops = 1e12,
                    double wire = 1e10,
                    Overlap overlap = Overlap::off) {
  return total_of(estimate_step(job, {4}, simple_prices(flops, wire), overlap, host_overheads())
                      .breakdown)
      .in(unit::second);
}

TEST(StepTime, PartsAreNeverNegativeAndSumToTheTotal) {
  const Job job = small_llama({.tensor = 2, .pipeline = 2, .data = 2});
  const StepBreakdown b =
      estimate_step(job, {4}, simple_prices(1e12, 1e10), Overlap::off, host_overheads()).breakdown;
  for (const Seconds part : {b.compute,
                             b.recompute,
                             b.tensor_parallel,
                             b.pipeline_p2p,
                             b.bubble,
                             b.data_parallel,
                             b.optimizer}) {
    EXPECT_GE(part.in(unit::second), 0.0);
  }
  EXPECT_EQ(total_of(b),
            b.compute + b.recompute + b.tensor_parallel + b.pipeline_p2p + b.bubble +
                b.data_parallel + b.optimizer);
}

TEST(StepTime, OfOneRankIsTheSumOfItsKernels) {
  const Job job = small_llama({});
  const PriceList prices = simple_prices(1e12, 1e10);
  const StageWork work = stage_work(job, {1}, 0);
  Seconds sum;
  const auto add = [&](const std::vector<WorkItem>& items, double times) {
    for (const WorkItem& item : items) {
      sum += times * prices.kernel(std::get<KernelWork>(item.work).key).time;
    }
  };
  add(work.chunks[0].forward, 8.0);
  add(work.chunks[0].backward, 8.0);
  add(work.tail, 1.0);
  EXPECT_NEAR(step_seconds(job), sum.in(unit::second), 1e-12);
}

TEST(StepTime, MoreBandwidthIsNeverSlower) {
  const Job job = small_llama({.tensor = 2, .pipeline = 2, .data = 2});
  double before = step_seconds(job, 1e12, 1e8);
  for (const double wire : {1e9, 1e10, 1e12}) {
    const double now = step_seconds(job, 1e12, wire);
    EXPECT_LE(now, before);
    before = now;
  }
}

TEST(StepTime, FasterDevicesAreNeverSlower) {
  const Job job = small_gpt2({.tensor = 2, .pipeline = 2, .data = 2});
  EXPECT_LT(step_seconds(job, 2e12), step_seconds(job, 1e12));
}

TEST(StepTime, RecomputationCostsItsForward) {
  Job job = small_llama({});
  const double without = step_seconds(job);
  job.recipe.recompute = Recompute::full;
  const StepBreakdown b =
      estimate_step(job, {4}, simple_prices(1e12, 1e10), Overlap::off, host_overheads()).breakdown;
  EXPECT_GT(b.recompute.in(unit::second), 0.0);
  EXPECT_NEAR(total_of(b).in(unit::second), without + b.recompute.in(unit::second), 1e-12);
}

TEST(StepTime, OverlapNeverCosts) {
  const Job job = small_llama({.tensor = 2, .pipeline = 2, .virtual_pipeline = 2, .data = 2});
  EXPECT_LE(step_seconds(job, 1e12, 1e9, Overlap::on), step_seconds(job, 1e12, 1e9, Overlap::off));
}

TEST(StepTime, InterleavingShrinksTheBubbleByItsChunks) {
  Job job = small_llama({.pipeline = 4}, 16);
  job.model.vocabulary = 128;  // a head that weighs little beside four layers
  const auto bubble = [&] {
    return estimate_step(job, {4}, simple_prices(1e12, 1e30), Overlap::off, host_overheads())
        .bubble_fraction;
  };
  const double plain = bubble();
  job.layout.virtual_pipeline = 4;
  EXPECT_LT(bubble(), 0.6 * plain);
}

// A heavy head makes the last stage the slowest; with many micro-batches nearly no time is fill and
// drain, so what the other stages wait is not bubble.
TEST(StepTime, ImbalanceIsNotBubble) {
  Job job = small_llama({.pipeline = 4});
  job.recipe.global_batch = 800;
  const StepEstimate estimate =
      estimate_step(job, {4}, simple_prices(1e12, 1e30), Overlap::off, host_overheads());
  EXPECT_EQ(estimate.slowest_stage, 3);
  EXPECT_LT(estimate.bubble_fraction, 0.02);
}

TEST(StepTime, ProvenanceSharesSumToOne) {
  const Job job = small_llama({.tensor = 2, .data = 2});
  const Provenance p =
      estimate_step(job, {4}, simple_prices(1e12, 1e10), Overlap::off, host_overheads()).provenance;
  EXPECT_NEAR(p.share[0] + p.share[1] + p.share[2] + p.share[3], 1.0, 1e-12);
  EXPECT_GT(p.share[static_cast<std::size_t>(Tier::measured)], 0.0);
  EXPECT_GT(p.share[static_cast<std::size_t>(Tier::fitted)], 0.0);
  EXPECT_EQ(p.share[static_cast<std::size_t>(Tier::datasheet)], 0.0);
}

TEST(StepTime, HardwareFlopExceedModelFlopByRecomputationOnly) {
  Job job = small_llama({});
  const auto estimate = [&] {
    return estimate_step(job, {4}, simple_prices(1e12, 1e10), Overlap::off, host_overheads());
  };
  const double plain = estimate().hardware_flops / estimate().model_flops;
  job.recipe.recompute = Recompute::full;
  const double recomputed = estimate().hardware_flops / estimate().model_flops;
  EXPECT_GT(recomputed, plain);
  EXPECT_LT(recomputed, plain * 4.0 / 3.0 + 1e-9);
}

}  // namespace
}  // namespace forerun
