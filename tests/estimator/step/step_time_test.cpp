// The step: parts add up, and the laws that any cost model obeys.
#include "estimator/step/step_time.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "kernels/kernel_cost.hpp"
#include "tests/estimator/step/modern_jobs.hpp"
#include "tests/estimator/step/pipeline_cases.hpp"
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
  return total_of(estimate_step(job, {4}, simple_prices(flops, wire), {overlap, host_overheads()})
                      .breakdown)
      .in(unit::second);
}

TEST(StepTime, PartsAreNeverNegativeAndSumToTheTotal) {
  const Job job = small_llama({.tensor = 2, .pipeline = 2, .data = 2});
  const StepBreakdown b =
      estimate_step(job, {4}, simple_prices(1e12, 1e10), {Overlap::off, host_overheads()})
          .breakdown;
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
  job.recipe.recompute.kind = Recompute::full;
  const StepBreakdown b =
      estimate_step(job, {4}, simple_prices(1e12, 1e10), {Overlap::off, host_overheads()})
          .breakdown;
  EXPECT_GT(b.recompute.in(unit::second), 0.0);
  EXPECT_NEAR(total_of(b).in(unit::second), without + b.recompute.in(unit::second), 1e-12);
}

// One micro-batch runs through the stages one after the other: each layer that one of them repeats
// costs its forward pass, whichever stage it is on.
TEST(StepTime, RecomputationByStageCostsTheLayersThatEachRepeats) {
  Job job = small_llama({.pipeline = 2});
  job.recipe.global_batch = 1;
  const auto with = [&](const char* recompute) {
    job.recipe.recompute = *recompute_policy_from(recompute);
    return step_seconds(job);
  };
  const double none = with("none");
  const double layer = with("block:1+0") - none;
  EXPECT_GT(layer, 0.0);
  EXPECT_NEAR(with("block:0+1") - none, layer, 1e-12);
  EXPECT_NEAR(with("block:2+1") - none, 3.0 * layer, 1e-12);
  EXPECT_EQ(with("block:1+1"), with("block:1"));
  EXPECT_EQ(with("block:2+2"), with("full"));
  EXPECT_EQ(with("block:0+0"), none);
}

TEST(StepTime, OverlapNeverCosts) {
  const Job job = small_llama({.tensor = 2, .pipeline = 2, .virtual_pipeline = 2, .data = 2});
  EXPECT_LE(step_seconds(job, 1e12, 1e9, Overlap::on), step_seconds(job, 1e12, 1e9, Overlap::off));
}

PriceList overlapping_prices(double compute, double collective) {
  PriceList prices = simple_prices(1e12, 1e9);
  prices.overlap = [=](OverlapCompute, Collective, std::int64_t) {
    return std::optional(SharedSpeed{compute, collective});
  };
  return prices;
}

Seconds overlapped_step(const Job& job, const PriceList& prices) {
  return total_of(estimate_step(job, {4}, prices, {Overlap::on, host_overheads(), {}}).breakdown);
}

// What overlaps was measured and nothing did: as without overlap, whoever hides under whom.
TEST(StepTime, MeasuredNotToOverlapIsTheSum) {
  for (const ZeroStage zero : {ZeroStage::optimizer, ZeroStage::gradients, ZeroStage::parameters}) {
    Job job = small_llama({.tensor = 2, .pipeline = 2, .virtual_pipeline = 2, .data = 2});
    job.recipe.zero = zero;
    const double serial = step_seconds(job, 1e12, 1e9, Overlap::off);
    EXPECT_NEAR(
        overlapped_step(job, overlapping_prices(1.0, 0.0)).in(unit::second) / serial, 1.0, 1e-12)
        << static_cast<int>(zero);
    EXPECT_LT(overlapped_step(job, overlapping_prices(1.0, 1.0)).in(unit::second), serial)
        << static_cast<int>(zero);
  }
}

// Each collective of the backward pass under its kernel: the longer of the two, both undisturbed.
TEST(StepTime, MeasuredToOverlapInFullIsTheMaximum) {
  const Job job = small_llama({.tensor = 2});
  const PriceList prices = overlapping_prices(1.0, 1.0);
  Seconds expected;
  const StageWork work = stage_work(job, {4}, 0);
  const auto add = [&](const std::vector<WorkItem>& items, double times) {
    for (const WorkItem& item : items) {
      if (const auto* kernel = std::get_if<KernelWork>(&item.work)) {
        expected += times * prices.kernel(kernel->key).time;
        continue;
      }
      const auto& collective = std::get<CollectiveWork>(item.work);
      const Seconds time = prices.collective(collective.key).time;
      const Seconds cover =
          collective.hides_under ? prices.kernel(*collective.hides_under).time : Seconds();
      expected += times * std::max(Seconds(), time - cover);
    }
  };
  add(work.chunks[0].forward, 8.0);
  add(work.chunks[0].backward, 8.0);
  add(work.tail, 1.0);
  EXPECT_NEAR(overlapped_step(job, prices) / expected, 1.0, 1e-12);
}

TEST(StepTime, BetterOverlapIsNeverSlower) {
  for (const ZeroStage zero : {ZeroStage::optimizer, ZeroStage::parameters}) {
    Job job = small_llama({.tensor = 2, .data = 2});
    job.recipe.zero = zero;
    Seconds before = overlapped_step(job, overlapping_prices(1.0, 0.0));
    for (const double speed : {0.25, 0.5, 0.75, 1.0}) {
      const Seconds now = overlapped_step(job, overlapping_prices(1.0, speed));
      EXPECT_LE(now, before) << static_cast<int>(zero) << " " << speed;
      before = now;
    }
    EXPECT_LE(before, overlapped_step(job, overlapping_prices(0.8, 1.0)));
  }
}

TEST(StepTime, InterleavingShrinksTheBubbleByItsChunks) {
  Job job = small_llama({.pipeline = 4}, 16);
  job.model.vocabulary = 128;  // a head that weighs little beside four layers
  const auto bubble = [&] {
    return estimate_step(job, {4}, simple_prices(1e12, 1e30), {Overlap::off, host_overheads()})
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
      estimate_step(job, {4}, simple_prices(1e12, 1e30), {Overlap::off, host_overheads()});
  EXPECT_EQ(estimate.slowest_stage, 3);
  EXPECT_LT(estimate.bubble_fraction, 0.02);
}

TEST(StepTime, ProvenanceSharesSumToOne) {
  const Job job = small_llama({.tensor = 2, .data = 2});
  const Provenance p =
      estimate_step(job, {4}, simple_prices(1e12, 1e10), {Overlap::off, host_overheads()})
          .provenance;
  EXPECT_NEAR(p.share[0] + p.share[1] + p.share[2] + p.share[3], 1.0, 1e-12);
  EXPECT_GT(p.share[static_cast<std::size_t>(Tier::measured)], 0.0);
  EXPECT_GT(p.share[static_cast<std::size_t>(Tier::fitted)], 0.0);
  EXPECT_EQ(p.share[static_cast<std::size_t>(Tier::datasheet)], 0.0);
}

// Of ZeRO-3 with a slow wire nearly all is the gathers and reductions: they are priced at `fitted`,
// and what of them computing hides is not time of the step.
TEST(StepTime, ProvenanceCountsTheExposedTrafficOfShards) {
  Job job = small_llama({.data = 4});
  job.recipe.zero = ZeroStage::parameters;
  const auto fitted = [&](Overlap overlap) {
    const StepEstimate estimate =
        estimate_step(job, {4}, simple_prices(1e12, 1e6), {overlap, host_overheads()});
    const double exposed = estimate.breakdown.data_parallel / total_of(estimate.breakdown);
    const double share = estimate.provenance.share[static_cast<std::size_t>(Tier::fitted)];
    EXPECT_NEAR(share, exposed, 1e-3);
    return share;
  };
  EXPECT_GT(fitted(Overlap::on), 0.9);
  EXPECT_GT(fitted(Overlap::off), 0.9);
}

// Weights are gathered one layer ahead of the gradients' reductions. With twelve equal layers and
// layers' collectives that together take less than their computation, no more is exposed than the
// first gathers and the last reductions.
TEST(StepTime, PrefetchHidesShardsUnderComputation) {
  Job job = small_llama({.data = 4}, 12);
  job.model.vocabulary = 128;
  job.recipe.zero = ZeroStage::parameters;
  job.recipe.global_batch = 4;
  const PriceList prices{[](const KernelKey&) {
                           return Price{unit::second, Tier::measured, 0.0};
                         },
                         [](const CollectiveKey&) {
                           return Price{4.0 * unit::second, Tier::fitted, 0.0};
                         }};
  const StepEstimate estimate = estimate_step(job, {4}, prices, {Overlap::on, host_overheads()});
  // A gather before the first part and one where the embedding's few kernels hide none of the next
  // layer's; in the backward pass a gather before the head, reductions after the embedding.
  EXPECT_LE(estimate.breakdown.data_parallel, 6 * 4.0 * unit::second);
  const StepEstimate serial = estimate_step(job, {4}, prices, {Overlap::off, host_overheads()});
  EXPECT_GE(serial.breakdown.data_parallel, 3 * 12 * 4.0 * unit::second);
}

// What --trace draws ends when the estimate says that the step does.
TEST(StepTime, OfEveryScheduleIsWhereItsTimelineEnds) {
  for (const Schedule schedule : all_schedules) {
    const bool has_two = schedule == Schedule::interleaved || schedule == Schedule::breadth_first ||
                         schedule == Schedule::zb_v || schedule == Schedule::dualpipe_v;
    const std::int64_t chunks = has_two ? 2 : 1;
    Job job = small_llama({.tensor = 2, .pipeline = 2, .virtual_pipeline = chunks});
    job.recipe.schedule = schedule;
    for (const Overlap overlap : {Overlap::off, Overlap::on}) {
      const StepEstimate estimate =
          estimate_step(job, {4}, simple_prices(1e12, 1e9), {overlap, host_overheads()});
      Seconds end;
      for (const TimelineSlice& slice : step_timeline(estimate.pipeline)) {
        end = std::max(end, slice.end);
      }
      EXPECT_NEAR(total_of(estimate.breakdown) / end, 1.0, 1e-12) << name_of(schedule);
      EXPECT_GE(estimate.breakdown.tensor_parallel, Seconds()) << name_of(schedule);
    }
  }
}

// Two devices a node: with pp innermost the two stages of a replica share a node, in Megatron's
// order they lie on different ones.
TEST(StepTime, MessagesFollowTheOrderOfRanks) {
  Job job = small_llama({.pipeline = 4, .data = 2});
  PriceList prices = simple_prices(1e12, 1e10);
  std::set<std::int64_t> members;
  prices.collective = [&](const CollectiveKey& key) {
    if (key.op == Collective::send_recv) {
      members.insert(key.group.ranks_per_node);
    }
    return Price{unit::second, Tier::fitted, 0.2};
  };
  (void)estimate_step(job, {2}, prices, {Overlap::off, host_overheads()});
  EXPECT_EQ(members, std::set<std::int64_t>({1}));
  members.clear();
  Placement placement{2};
  placement.rank_order = rank_order_from("pp-tp-cp-ep-dp");
  (void)estimate_step(job, placement, prices, {Overlap::off, host_overheads()});
  EXPECT_EQ(members, (std::set<std::int64_t>{1, 2}));
}

// Every stage holds two chunks and runs half of the micro-batches through each: the work is that of
// 1f1b, the weights are there twice, and the two copies of each stage sum their gradients.
TEST(StepTime, OfDualpipeDoesTheSameWorkOnTwiceTheWeights) {
  Job job = small_llama({.pipeline = 4});
  const auto estimate = [&] {
    return estimate_step(job, {4}, simple_prices(1e12, 1e10), {Overlap::off, host_overheads()});
  };
  const StepEstimate plain = estimate();
  job.recipe.schedule = Schedule::dualpipe;
  const StepEstimate both = estimate();
  Bytes weights_plain;
  Bytes weights_both;
  for (std::size_t stage = 0; stage < 4; ++stage) {
    weights_plain += plain.memory[stage].weights;
    weights_both += both.memory[stage].weights;
  }
  EXPECT_NEAR(weights_both / weights_plain, 2.0, 1e-3);
  // The optimizer's FLOP double as well; they are few.
  EXPECT_NEAR(both.hardware_flops / plain.hardware_flops, 1.0, 0.02);
  EXPECT_EQ(plain.breakdown.data_parallel, Seconds());
  const auto bytes = 4.0 * static_cast<double>(stage_weights(job, both.slowest_stage).elements);
  EXPECT_NEAR(both.breakdown.data_parallel.in(unit::second), bytes / 1e10, 1e-12);
}

// Eight devices on two nodes. The slowest takes 5 % longer; nodes vary by 2 %: the later of two is
// late by 0.02 sqrt(2 ln 2) on average.
TEST(StepTime, WaitsForTheSlowestDevice) {
  const Job job = small_llama({.tensor = 2, .pipeline = 2, .data = 2});
  StepSettings settings{Overlap::off, host_overheads()};
  const auto step = [&] {
    return total_of(estimate_step(job, {4}, simple_prices(1e12, 1e10), settings).breakdown);
  };
  const Seconds plain = step();
  settings.stragglers.slowest_device = 1.05;
  EXPECT_NEAR(step() / plain, 1.05, 1e-12);
  settings.stragglers.jitter_sigma = 0.02;
  EXPECT_NEAR(step() / plain, 1.05 * (1.0 + 0.02 * std::sqrt(2.0 * std::log(2.0))), 1e-12);
}

// Whoever meets after some work has waited for a tenth of it, two ranks or more.
PriceList with_waits() {
  PriceList prices = simple_prices(1e12, 1e10);
  prices.wait = [](Seconds, std::int64_t ranks) { return ranks > 1 ? 0.1 : 0.0; };
  return prices;
}

StepBreakdown waiting_step(const Job& job, const PriceList& prices) {
  return estimate_step(job, {4}, prices, {Overlap::off, host_overheads()}).breakdown;
}

TEST(StepTime, OneRankWaitsForNobody) {
  const Job job = small_llama({});
  EXPECT_EQ(total_of(waiting_step(job, with_waits())),
            total_of(waiting_step(job, simple_prices(1e12, 1e10))));
}

// Tensor ranks meet in every part, so that all that they compute in micro-batches is waited for
// once; the optimizer's work is followed by no meeting.
TEST(StepTime, TensorRanksWaitForWhatTheyCompute) {
  const Job job = small_llama({.tensor = 2});
  const StepBreakdown plain = waiting_step(job, simple_prices(1e12, 1e10));
  const StepBreakdown waits = waiting_step(job, with_waits());
  EXPECT_NEAR((waits.tensor_parallel - plain.tensor_parallel) / plain.compute, 0.1, 0.02);
  EXPECT_EQ(waits.compute, plain.compute);
  EXPECT_EQ(waits.data_parallel, plain.data_parallel);
}

// Replicas meet once, at the end.
TEST(StepTime, ReplicasWaitForWhatAllMicroBatchesCompute) {
  const Job job = small_llama({.data = 2});
  const StepBreakdown plain = waiting_step(job, simple_prices(1e12, 1e10));
  const StepBreakdown waits = waiting_step(job, with_waits());
  EXPECT_NEAR((waits.data_parallel - plain.data_parallel) / plain.compute, 0.1, 0.001);
  EXPECT_EQ(waits.tensor_parallel, plain.tensor_parallel);
}

// Those who have met in every micro-batch are as late as the latest of them already.
TEST(StepTime, TensorRanksOfReplicasWaitOnlyForWhatTheyDidNot) {
  const Job job = small_llama({.tensor = 2, .data = 2});
  const StepBreakdown plain = waiting_step(job, simple_prices(1e12, 1e10));
  const StepBreakdown waits = waiting_step(job, with_waits());
  EXPECT_NEAR((waits.data_parallel - plain.data_parallel) / plain.compute, 0.0, 0.01);
  EXPECT_GT(waits.tensor_parallel, plain.tensor_parallel);
}

// However replicas shard and whoever meets on the way: in the end all that was computed has been
// waited for once.
TEST(StepTime, EveryShardingWaitsOnceForWhatItComputes) {
  for (const ZeroStage zero :
       {ZeroStage::none, ZeroStage::optimizer, ZeroStage::gradients, ZeroStage::parameters}) {
    Job job = small_llama({.data = 4});
    job.recipe.zero = zero;
    const StepBreakdown plain = waiting_step(job, simple_prices(1e12, 1e10));
    const StepBreakdown waits = waiting_step(job, with_waits());
    EXPECT_NEAR((total_of(waits) - total_of(plain)) / plain.compute, 0.1, 0.001)
        << static_cast<int>(zero);
  }
}

// Ranks of an exchange of experts are the replicas: they wait in it, and not again at the end.
TEST(StepTime, ExpertRanksWaitOnce) {
  const Job job = small_mixtral({.expert = 2, .data = 2});
  const StepBreakdown plain = waiting_step(job, simple_prices(1e12, 1e10));
  const StepBreakdown waits = waiting_step(job, with_waits());
  EXPECT_GT(waits.expert_parallel, plain.expert_parallel);
  EXPECT_NEAR((total_of(waits) - total_of(plain)) / plain.compute, 0.1, 0.005);
}

// Groups that shard meet all along, their replicas at the end: as late as the latest already.
TEST(StepTime, ReplicasOfShardingGroupsWaitForTheRest) {
  Job job = small_llama({.data = 4});
  job.recipe.zero = ZeroStage::parameters;
  job.recipe.shard_group = 2;
  PriceList more = with_waits();
  more.wait = [](Seconds, std::int64_t ranks) { return ranks > 2 ? 0.15 : 0.1; };
  const StepBreakdown plain = waiting_step(job, simple_prices(1e12, 1e10));
  const StepBreakdown waits = waiting_step(job, more);
  EXPECT_NEAR((total_of(waits) - total_of(plain)) / plain.compute, 0.15, 0.001);
}

TEST(StepTime, HardwareFlopExceedModelFlopByRecomputationOnly) {
  Job job = small_llama({});
  const auto estimate = [&] {
    return estimate_step(job, {4}, simple_prices(1e12, 1e10), {Overlap::off, host_overheads()});
  };
  const double plain = estimate().hardware_flops / estimate().model_flops;
  job.recipe.recompute.kind = Recompute::full;
  const double recomputed = estimate().hardware_flops / estimate().model_flops;
  EXPECT_GT(recomputed, plain);
  EXPECT_LT(recomputed, plain * 4.0 / 3.0 + 1e-9);
}

}  // namespace
}  // namespace forerun
