// Latent attention, Mamba layers, hybrids and gates, split over real ranks, compute what the
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
      return {{.tensor = 2}, {.pipeline = 2}, {.data = 2}};
    default:
      return {{.tensor = 4},
              {.tensor = 2, .data = 2},
              {.tensor = 2, .pipeline = 2},
              {.pipeline = 2, .data = 2}};
  }
}

std::vector<ParallelLayout> expert_layouts_of(int ranks) {
  auto layouts = layouts_of(ranks);
  if (ranks == 2) {
    layouts.push_back({.expert = 2, .data = 2});
    layouts.push_back({.tensor = 2, .expert = 2});
  } else if (ranks == 4) {
    layouts.push_back({.tensor = 2, .expert = 4, .data = 2});
    layouts.push_back({.pipeline = 2, .expert = 2, .data = 2});
  }
  return layouts;
}

void expect_all_equal(Job (*make)(const ParallelLayout&),
                      const std::vector<ParallelLayout>& layouts,
                      Communicator& ranks) {
  for (const ParallelLayout& layout : layouts) {
    for (const auto sequence : {SequenceParallel::on, SequenceParallel::off}) {
      Job job = make(layout);
      if (sequence == SequenceParallel::off && (layout.tensor == 1 || job.model.moe)) {
        continue;
      }
      job.recipe.sequence_parallel = sequence;
      job.recipe.global_batch = 4;
      expect_equal(job, ranks);
    }
  }
}

TEST(RehearsedLatentAttention, EqualsTheUnsplitStep) {
  const auto ranks = world();
  expect_all_equal(small_latent, layouts_of(ranks->size()), *ranks);
}

TEST(RehearsedLatentAttention, WithoutCompressedQueriesEqualsTheUnsplitStep) {
  const auto ranks = world();
  const auto make = [](const ParallelLayout& layout) {
    Job job = small_latent(layout);
    job.model.latent->query_rank.reset();
    return job;
  };
  expect_all_equal(make, layouts_of(ranks->size()), *ranks);
}

TEST(RehearsedLatentAttention, WithExpertsEqualsTheUnsplitStep) {
  const auto ranks = world();
  expect_all_equal(small_deepseek_v2, expert_layouts_of(ranks->size()), *ranks);
}

TEST(RehearsedMamba2, EqualsTheUnsplitStep) {
  const auto ranks = world();
  expect_all_equal(small_mamba2, layouts_of(ranks->size()), *ranks);
}

TEST(RehearsedHybrid, LikeJambaEqualsTheUnsplitStep) {
  const auto ranks = world();
  expect_all_equal(small_jamba, expert_layouts_of(ranks->size()), *ranks);
}

TEST(RehearsedHybrid, LikeNemotronHEqualsTheUnsplitStep) {
  const auto ranks = world();
  expect_all_equal(small_nemotron_h, layouts_of(ranks->size()), *ranks);
}

TEST(RehearsedGates, EqualTheUnsplitStep) {
  const auto ranks = world();
  expect_all_equal(small_gated, expert_layouts_of(ranks->size()), *ranks);
}

TEST(RehearsedHybrid, EqualsTheUnsplitStepWithFullRecomputation) {
  const auto ranks = world();
  const ParallelLayout layout = layouts_of(ranks->size()).front();
  for (const auto make : {small_jamba, small_deepseek_v2}) {
    Job job = make(layout);
    job.recipe.global_batch = 2;
    job.recipe.recompute = recompute_policy_from("full").value();
    expect_equal(job, *ranks);
  }
}

// Mamba-1's B and C that are not summed over the tensor group must show.
TEST(RehearsedHybrid, ShowsABrokenSum) {
  const auto ranks = world();
  if (ranks->size() != 2) {
    GTEST_SKIP() << "one size is enough";
  }
  FaultyCommunicator faulty(*ranks, Collective::all_reduce);
  EXPECT_FALSE(compare(small_jamba({.tensor = 2}), faulty).equal);
}

}  // namespace
}  // namespace forerun
