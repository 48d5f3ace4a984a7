// A step of a mixture of experts, split over real ranks that exchange tokens, computes what the
// unsplit step computes.
#include <gtest/gtest.h>

#include "tests/estimator/rehearse/compare_ranks.hpp"
#include "tests/estimator/step/modern_jobs.hpp"

namespace forerun {
namespace {

std::vector<ParallelLayout> layouts_of(int ranks) {
  switch (ranks) {
    case 1:
      return {{}};
    case 2:
      return {{.expert = 2, .data = 2},
              {.tensor = 2, .expert = 2},
              {.tensor = 2},
              {.data = 2},
              {.pipeline = 2}};
    default:
      return {{.expert = 4, .data = 4},
              {.expert = 2, .data = 4},
              {.tensor = 2, .expert = 2, .data = 2},
              {.tensor = 2, .expert = 4, .data = 2},
              {.pipeline = 2, .expert = 2, .data = 2},
              {.tensor = 4, .expert = 4}};
  }
}

TEST(RehearsedExperts, EqualTheUnsplitStep) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    expect_equal(small_mixtral(layout), *ranks);
  }
}

TEST(RehearsedExperts, WithASharedOneEqualTheUnsplitStep) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    expect_equal(small_deepseek_moe(layout), *ranks);
  }
}

TEST(RehearsedExperts, InALatentOfTheirOwnEqualTheUnsplitStep) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    expect_equal(small_expert_latent(layout), *ranks);
  }
}

TEST(RehearsedExperts, EqualWithRecomputationAndWithoutShardedState) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    for (const char* recompute : {"full", "moe_act+layernorm"}) {
      Job job = small_deepseek_moe(layout);
      job.recipe.global_batch = 4;
      job.recipe.recompute = recompute_policy_from(recompute).value();
      job.recipe.zero = ZeroStage::none;
      expect_equal(job, *ranks);
    }
  }
}

// Sums that are rounded before a router turn tokens between experts that it weighs alike, which the
// tolerance knows; where nothing is summed there, none turns.
TEST(RehearsedExperts, EqualTheUnsplitStepInBf16) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    Job job = small_mixtral(layout);
    job.recipe.precision = Precision::bf16;
    expect_equal(job, *ranks);
  }
}

TEST(RehearsedExperts, ShowABrokenExchangeInBf16Too) {
  const auto ranks = world();
  if (ranks->size() != 2) {
    GTEST_SKIP() << "one size is enough";
  }
  for (const ParallelLayout& layout :
       {ParallelLayout{.expert = 2, .data = 2}, ParallelLayout{.tensor = 2, .expert = 2}}) {
    Job job = small_mixtral(layout);
    job.recipe.precision = Precision::bf16;
    for (const Collective broken : {Collective::all_to_all, Collective::reduce_scatter}) {
      FaultyCommunicator faulty(*ranks, broken);
      EXPECT_FALSE(compare(job, faulty).equal) << text_of(layout);
    }
  }
}

// Four experts at 2^-8: 0.03 + sqrt(2 / 64).
TEST(RehearsedExperts, AllowForChoicesThatFallEitherWay) {
  Job job = small_mixtral({.tensor = 2});
  job.model.moe->experts = 4;
  EXPECT_EQ(equality_tolerance(job), 1e-5);
  job.recipe.precision = Precision::bf16;
  EXPECT_NEAR(equality_tolerance(job), 0.03 + 0.1767767, 1e-6);
  job.model.moe->experts = 128;
  EXPECT_EQ(equality_tolerance(job), 0.4);
  job.layout = {.expert = 2, .data = 2};
  EXPECT_EQ(equality_tolerance(job), 0.03);
}

// Loads that are stated are those that come, and a token's experts are the same on any split.
TEST(RehearsedExperts, GoWhereABenchmarkSendsThem) {
  const auto ranks = world();
  std::vector<ParallelLayout> layouts = layouts_of(ranks->size());
  if (ranks->size() > 1) {
    layouts.push_back({.context = 2, .expert = 2, .data = ranks->size() / 2});
  }
  for (const ParallelLayout& layout : layouts) {
    for (const LoadKind load : {LoadKind::balanced, LoadKind::multinomial}) {
      for (const Precision precision : {Precision::fp32, Precision::bf16}) {
        Job job = small_mixtral(layout);
        job.recipe.expert_load = {load};
        job.recipe.precision = precision;
        EXPECT_EQ(equality_tolerance(job, ExpertChoice::stated),
                  precision == Precision::fp32 ? 1e-5 : 0.03);
        expect_equal(job, *ranks, {.choice = ExpertChoice::stated});
      }
    }
  }
}

TEST(RehearsedExperts, WorkOnEvenSharesWhereTheLoadIsBalanced) {
  const auto ranks = world();
  const auto device = one_thread_device();
  const auto busiest = [&](const ExpertLoad& load, ExpertChoice choice) {
    Job job = small_mixtral({.expert = ranks->size(), .data = ranks->size()});
    job.recipe.expert_load = load;
    GridCommunicators groups(*ranks, job.layout, megatron_order, experts_of(job.model));
    Executor executor(job, {ranks->size()}, *device, groups, {.choice = choice});
    executor.initialise(11);
    static_cast<void>(executor.run_step(0));
    return executor.experts().busiest_share();
  };
  EXPECT_EQ(busiest({}, ExpertChoice::stated), 1.0);
  if (ranks->size() > 1) {
    EXPECT_GT(busiest({}, ExpertChoice::router), 1.0);
    EXPECT_GT(busiest({LoadKind::multinomial}, ExpertChoice::stated), 1.0);
    // A load that does not say where tokens go leaves them to the router.
    EXPECT_EQ(busiest({LoadKind::busiest, 0.0, 1.5}, ExpertChoice::stated),
              busiest({}, ExpertChoice::router));
  }
}

// Tokens that stay where they are, or gradients of experts that are not summed, must show.
TEST(RehearsedExperts, ShowABrokenExchange) {
  const auto ranks = world();
  if (ranks->size() != 2) {
    GTEST_SKIP() << "one size is enough";
  }
  const Job job = small_mixtral({.expert = 2, .data = 2});
  FaultyCommunicator faulty(*ranks, Collective::all_to_all);
  EXPECT_FALSE(compare(job, faulty).equal);
}

}  // namespace
}  // namespace forerun
