// Weights and gradients that real ranks share in parts (ZeRO-2 and 3): gathered before use, reduced
// after; the step computes what the unsplit step computes.
#include <gtest/gtest.h>

#include "tests/estimator/rehearse/compare_ranks.hpp"
#include "tests/estimator/step/step_jobs.hpp"

namespace forerun {
namespace {

std::vector<ParallelLayout> layouts_of(int ranks) {
  switch (ranks) {
    case 1:
      return {{}};
    case 2:
      return {{.data = 2}, {.context = 2}};
    default:
      return {{.data = 4},
              {.tensor = 2, .data = 2},
              {.pipeline = 2, .data = 2},
              {.context = 2, .data = 2},
              {.tensor = 2, .context = 2}};
  }
}

Job sharded(Job job, ZeroStage zero) {
  job.recipe.zero = zero;
  return job;
}

// Tied and untied heads, biases, learned positions, several micro-batches a step.
TEST(RehearsedShards, EqualTheUnsplitStep) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    for (const ZeroStage zero : {ZeroStage::gradients, ZeroStage::parameters}) {
      expect_equal(sharded(small_llama(layout), zero), *ranks);
      expect_equal(sharded(small_gpt2(layout), zero), *ranks);
    }
  }
}

TEST(RehearsedShards, OfEveryFamilyEqualTheUnsplitStep) {
  const auto ranks = world();
  for (const Job& variant : small_variants({.data = ranks->size()})) {
    const Job job = sharded(variant, ZeroStage::parameters);
    if (!sharding_not_executed_because(job)) {
      expect_equal(job, *ranks);
    }
  }
}

TEST(RehearsedShards, EqualUnderEveryScheduleAndRecomputation) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    for (const Schedule schedule : {Schedule::gpipe, Schedule::one_f_one_b}) {
      for (const char* const recompute : {"none", "full"}) {
        Job job = sharded(small_gpt2(layout), ZeroStage::parameters);
        job.recipe.schedule = schedule;
        job.recipe.recompute = recompute_policy_from(recompute).value();
        expect_equal(job, *ranks);
        job.recipe.keeps_gathered_weights = true;
        expect_equal(job, *ranks);
      }
    }
  }
}

TEST(RehearsedShards, InBf16StayWithinTheirTolerance) {
  const auto ranks = world();
  Job job = sharded(small_gpt2({.data = ranks->size()}), ZeroStage::parameters);
  job.recipe.precision = Precision::bf16;
  const EqualityReport report = compare(job, *ranks);
  EXPECT_TRUE(report.equal) << report.worst_tensor << " " << report.worst_gradient_error;
}

// A rank keeps its part of the state, and what it works on at the moment: less than all of it.
TEST(RehearsedShards, TakeLessMemory) {
  const auto ranks = world();
  if (ranks->size() == 1) {
    GTEST_SKIP() << "nothing is shared";
  }
  const auto peak = [&](ZeroStage zero) {
    const Job job = sharded(small_llama({.data = ranks->size()}, 8), zero);
    const auto device = one_thread_device();
    GridCommunicators groups(*ranks, job.layout);
    Executor executor(job, {ranks->size()}, *device, groups);
    executor.initialise(1);
    executor.run_step(0);
    return executor.store().peak_memory();
  };
  EXPECT_LT(peak(ZeroStage::parameters), 0.9 * peak(ZeroStage::optimizer));
}

TEST(RehearsedShards, ShowABrokenGatherAndABrokenReduction) {
  const auto ranks = world();
  if (ranks->size() != 2) {
    GTEST_SKIP() << "one size is enough";
  }
  const Job job = sharded(small_llama({.data = 2}), ZeroStage::parameters);
  for (const Collective broken : {Collective::all_gather, Collective::reduce_scatter}) {
    FaultyCommunicator faulty(*ranks, broken);
    EXPECT_FALSE(compare(job, faulty).equal) << name_of(broken);
  }
  IdleGather idle(*ranks);
  EXPECT_FALSE(compare(job, idle).equal);
}

}  // namespace
}  // namespace forerun
