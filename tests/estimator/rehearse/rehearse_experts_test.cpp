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
