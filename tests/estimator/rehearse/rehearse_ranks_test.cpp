// A step split over real ranks computes what the unsplit step computes; a broken collective shows.
#include <gtest/gtest.h>

#include "tests/estimator/rehearse/compare_ranks.hpp"
#include "tests/estimator/step/step_jobs.hpp"

namespace forerun {
namespace {

// Every layout of this many ranks over tp, pp, vp and dp that the job allows.
std::vector<ParallelLayout> layouts_of(int ranks) {
  switch (ranks) {
    case 1:
      return {{}};
    case 2:
      return {{.tensor = 2}, {.pipeline = 2}, {.data = 2}, {.pipeline = 2, .virtual_pipeline = 2}};
    default:
      return {{.tensor = 2, .pipeline = 2},
              {.tensor = 2, .data = 2},
              {.pipeline = 2, .data = 2},
              {.pipeline = 4},
              {.data = 4},
              {.tensor = 4}};
  }
}

TEST(Rehearsal, OfLlamaEqualsTheUnsplitStep) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    expect_equal(small_llama(layout), *ranks);
  }
}

TEST(Rehearsal, OfGpt2EqualsTheUnsplitStep) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    expect_equal(small_gpt2(layout), *ranks);
  }
}

TEST(Rehearsal, OfEveryFamilyEqualsTheUnsplitStep) {
  const auto ranks = world();
  for (const Job& job : small_variants({.tensor = ranks->size()})) {
    expect_equal(job, *ranks);
  }
  if (ranks->size() > 1) {
    for (const Job& job : small_variants({.tensor = ranks->size() / 2, .pipeline = 2})) {
      expect_equal(job, *ranks);
    }
  }
}

TEST(Rehearsal, OfEveryFamilyEqualsWithoutSequenceParallelismAndWithRecomputation) {
  const auto ranks = world();
  for (Job& job : small_variants({.tensor = ranks->size()})) {
    job.recipe.sequence_parallel = SequenceParallel::off;
    job.recipe.recompute.kind = Recompute::full;
    expect_equal(job, *ranks);
  }
}

TEST(Rehearsal, WithNormsOfHeadsEqualsTheUnsplitStep) {
  const auto ranks = world();
  Job job = small_llama({.tensor = ranks->size()});
  job.model.attention.qk_norm = true;
  for (const SequenceParallel sp : {SequenceParallel::on, SequenceParallel::off}) {
    job.recipe.sequence_parallel = sp;
    expect_equal(job, *ranks);
  }
}

TEST(Rehearsal, EqualsForEveryRecipe) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    Job job = small_gpt2(layout);
    job.recipe.micro_batch = 2;
    job.recipe.sequence_parallel = SequenceParallel::off;
    job.recipe.zero = ZeroStage::none;
    job.recipe.recompute.kind = Recompute::full;
    for (const Schedule schedule : {Schedule::gpipe,
                                    Schedule::interleaved,
                                    Schedule::breadth_first,
                                    Schedule::zb_h1,
                                    Schedule::zb_h2,
                                    Schedule::zb_v}) {
      job.recipe.schedule = schedule;
      if (!illegal_because(job)) {
        expect_equal(job, *ranks);
      }
    }
  }
}

// Backward passes in two parts; the weight part needs what the input part must not give back.
TEST(Rehearsal, WithSplitBackwardPassesEqualsTheUnsplitStep) {
  const auto ranks = world();
  if (ranks->size() == 1) {
    GTEST_SKIP() << "there is no pipeline";
  }
  const std::int64_t rest = ranks->size() / 2;
  for (const ParallelLayout& layout :
       {ParallelLayout{.pipeline = ranks->size()},
        ParallelLayout{.tensor = rest, .pipeline = 2},
        ParallelLayout{.pipeline = 2, .data = rest},
        ParallelLayout{.pipeline = 2, .context = rest},
        ParallelLayout{.tensor = rest, .pipeline = 2, .virtual_pipeline = 2}}) {
    for (Job job : {small_llama(layout), small_gpt2(layout)}) {
      for (const Schedule schedule : {Schedule::zb_h1, Schedule::zb_h2, Schedule::zb_v}) {
        job.recipe.schedule = schedule;
        if (!illegal_because(job)) {
          expect_equal(job, *ranks);
        }
      }
    }
  }
}

TEST(Rehearsal, InBf16StaysWithinItsTolerance) {
  const auto ranks = world();
  Job job = small_llama({.tensor = ranks->size()});
  job.recipe.precision = Precision::bf16;
  const EqualityReport report = compare(job, *ranks);
  EXPECT_TRUE(report.equal) << report.worst_tensor << " " << report.worst_gradient_error;
}

// bf16 losses alone would hide a gather of weights that is wrong.
TEST(Rehearsal, ShowsABrokenWeightGatherInBf16) {
  const auto ranks = world();
  if (ranks->size() != 2) {
    GTEST_SKIP() << "one size is enough";
  }
  Job job = small_llama({.data = 2});
  job.recipe.precision = Precision::bf16;
  IdleGather idle(*ranks);
  EXPECT_FALSE(compare(job, idle).equal);
}

// What a wrong collective does must show, whichever it is.
TEST(Rehearsal, ShowsEveryBrokenCollective) {
  const auto ranks = world();
  if (ranks->size() != 2) {
    GTEST_SKIP() << "one size is enough";
  }

  struct Case {
    Collective broken;
    ParallelLayout layout;
    SequenceParallel sp;
  };

  const Case cases[] = {
      {Collective::all_gather, {.tensor = 2}, SequenceParallel::on},
      {Collective::reduce_scatter, {.tensor = 2}, SequenceParallel::on},
      {Collective::all_reduce, {.tensor = 2}, SequenceParallel::off},
      {Collective::send_recv, {.pipeline = 2}, SequenceParallel::on},
      {Collective::all_gather, {.data = 2}, SequenceParallel::on},
      {Collective::reduce_scatter, {.data = 2}, SequenceParallel::on},
  };
  for (const Case& c : cases) {
    Job job = small_llama(c.layout);
    job.recipe.sequence_parallel = c.sp;
    FaultyCommunicator faulty(*ranks, c.broken);
    EXPECT_FALSE(compare(job, faulty).equal) << name_of(c.broken) << " under " << text_of(c.layout);
  }
}

}  // namespace
}  // namespace forerun
