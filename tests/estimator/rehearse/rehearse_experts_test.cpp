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
