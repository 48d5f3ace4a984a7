// A sequence split over real ranks, its keys and values gathered or sent around a ring, computes
// what the unsplit sequence computes.
#include <gtest/gtest.h>

#include "estimator/rehearse/context_attention.hpp"
#include "estimator/rehearse/sequence_rows.hpp"
#include "tests/estimator/rehearse/compare_ranks.hpp"
#include "tests/estimator/step/step_jobs.hpp"

namespace forerun {
namespace {

constexpr ContextKind kinds[] = {ContextKind::ring, ContextKind::all_gather};

std::vector<ParallelLayout> layouts_of(int ranks) {
  switch (ranks) {
    case 1:
      return {{}};
    case 2:
      return {{.context = 2}};
    default:
      return {{.context = 4},
              {.tensor = 2, .context = 2},
              {.pipeline = 2, .context = 2},
              {.context = 2, .data = 2}};
  }
}

Job split(Job job, ContextKind kind) {
  job.recipe.context_kind = kind;
  return job;
}

TEST(RehearsedContext, OfLlamaAndGpt2EqualsTheUnsplitStep) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    for (const ContextKind kind : kinds) {
      expect_equal(split(small_llama(layout), kind), *ranks);
      expect_equal(split(small_gpt2(layout), kind), *ranks);
    }
  }
}

TEST(RehearsedContext, EqualsWithSeveralSequencesRecomputationAndWithoutSharding) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    for (const ContextKind kind : kinds) {
      for (const char* const recompute : {"full", "core_attn", "layernorm+mlp_act"}) {
        Job job = split(small_gpt2(layout), kind);
        job.recipe.micro_batch = 2;
        job.recipe.zero = ZeroStage::none;
        job.recipe.sequence_parallel = SequenceParallel::off;
        job.recipe.recompute = recompute_policy_from(recompute).value();
        expect_equal(job, *ranks);
      }
    }
  }
}

// Distances count: windows, slopes by distance, caps, norms of heads.
TEST(RehearsedContext, OfEveryFamilyEqualsTheUnsplitStep) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    for (const ContextKind kind : kinds) {
      for (const Job& job : small_variants(layout)) {
        const Job one = split(job, kind);
        if (!context_not_executed_because(one) && !illegal_because(one)) {
          expect_equal(one, *ranks);
        }
      }
    }
  }
}

TEST(RehearsedContext, OfExpertsEqualsTheUnsplitStep) {
  const auto ranks = world();
  for (ParallelLayout layout : layouts_of(ranks->size())) {
    layout.expert = layout.context;
    for (const ContextKind kind : kinds) {
      expect_equal(split(small_mixtral(layout), kind), *ranks);
    }
  }
}

TEST(RehearsedContext, InBf16StaysWithinItsTolerance) {
  const auto ranks = world();
  for (const ContextKind kind : kinds) {
    Job job = split(small_llama({.context = ranks->size()}), kind);
    job.recipe.precision = Precision::bf16;
    const EqualityReport report = compare(job, *ranks);
    EXPECT_TRUE(report.equal) << report.worst_tensor << " " << report.worst_gradient_error;
  }
}

TEST(RehearsedContext, ShowsEveryBrokenExchange) {
  const auto ranks = world();
  if (ranks->size() != 2) {
    GTEST_SKIP() << "one size is enough";
  }
  for (const auto& [broken, kind] :
       {std::pair{Collective::send_recv, ContextKind::ring},
        std::pair{Collective::all_gather, ContextKind::all_gather},
        std::pair{Collective::reduce_scatter, ContextKind::all_gather}}) {
    Job job = split(small_llama({.context = 2}), kind);
    job.recipe.zero = ZeroStage::none;  // so that nothing else gathers or scatters
    FaultyCommunicator faulty(*ranks, broken);
    EXPECT_FALSE(compare(job, faulty).equal) << name_of(broken);
  }
}

// Rank 1 of 2 of a sequence of 8: its second and third quarter, of two sequences side by side.
TEST(RowRuns, FollowTheZigZag) {
  Job job = small_llama({.context = 2});
  job.recipe.sequence = 8;
  job.recipe.micro_batch = 2;
  const auto runs = row_runs(job, 1, 0, 8);
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].global, 4);
  EXPECT_EQ(runs[0].count, 4);
  EXPECT_EQ(runs[1].local, 4);
  EXPECT_EQ(runs[1].global, 8);
  const auto of_first = row_runs(job, 0, 2, 4);  // the middle of rank 0: ends of both its pieces
  ASSERT_EQ(of_first.size(), 2U);
  EXPECT_EQ(of_first[0].global, 2);
  EXPECT_EQ(of_first[0].count, 2);
  EXPECT_EQ(of_first[1].local, 2);
  EXPECT_EQ(of_first[1].global, 12);
}

}  // namespace
}  // namespace forerun
