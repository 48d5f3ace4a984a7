// Collectives in flight while kernels run: the step computes what the unsplit step computes, and a
// broken collective shows.
#include <map>

#include <gtest/gtest.h>

#include "estimator/rehearse/executable.hpp"
#include "tests/estimator/rehearse/compare_ranks.hpp"
#include "tests/estimator/step/step_jobs.hpp"

namespace forerun {
namespace {

// Five buckets or more of each of the small models.
constexpr std::int64_t small_bucket = 20'000;

std::vector<ParallelLayout> layouts_of(int ranks) {
  switch (ranks) {
    case 1:
      return {{}};
    case 2:
      return {{.data = 2},
              {.tensor = 2},
              {.context = 2},
              {.pipeline = 2},
              {.pipeline = 2, .virtual_pipeline = 2}};
    default:
      return {{.data = 4},
              {.tensor = 2, .data = 2},
              {.pipeline = 2, .data = 2},
              {.pipeline = 2, .virtual_pipeline = 2, .data = 2},
              {.context = 2, .data = 2},
              {.tensor = 4}};
  }
}

EqualityReport overlapped(Job job, Communicator& ranks) {
  job.recipe.context_kind = ContextKind::all_gather;
  return compare(job, ranks, {.overlap = Overlap::on, .bucket_parameters = small_bucket});
}

void expect_overlapped_equals(const Job& job, Communicator& ranks) {
  const EqualityReport report = overlapped(job, ranks);
  EXPECT_TRUE(report.equal) << text_of(job.layout) << " of " << job.model.name << ", zero "
                            << static_cast<int>(job.recipe.zero) << ": loss " << report.first_loss
                            << " against " << report.reference_first_loss << ", second "
                            << report.second_loss << " against " << report.reference_second_loss
                            << ", gradient of " << report.worst_tensor << " "
                            << report.worst_gradient_error << ", replicas "
                            << report.replicas_agree;
}

TEST(RehearsedOverlap, EqualsTheUnsplitStepUnderEveryZero) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    for (const ZeroStage zero :
         {ZeroStage::none, ZeroStage::optimizer, ZeroStage::gradients, ZeroStage::parameters}) {
      for (Job job : {small_llama(layout), small_gpt2(layout)}) {
        job.recipe.zero = zero;
        if (!illegal_because(job) && !not_rehearsed_because(job, Overlap::on)) {
          expect_overlapped_equals(job, *ranks);
        }
      }
    }
  }
}

TEST(RehearsedOverlap, EqualsUnderSchedulesWithAndWithoutSequenceParallelism) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    for (const Schedule schedule : {Schedule::gpipe, Schedule::zb_h1, Schedule::zb_v}) {
      Job job = small_gpt2(layout);
      job.recipe.schedule = schedule;
      job.recipe.recompute.kind = Recompute::full;
      job.recipe.sequence_parallel = SequenceParallel::off;
      if (!illegal_because(job) && !not_rehearsed_because(job, Overlap::on)) {
        expect_overlapped_equals(job, *ranks);
      }
    }
  }
}

// Experts have buckets and shards of their own, fewer KV heads than ranks share gradients' rows.
TEST(RehearsedOverlap, EqualsWithExpertsAndSharedHeads) {
  const auto ranks = world();
  const std::int64_t size = ranks->size();
  for (const ZeroStage zero : {ZeroStage::none, ZeroStage::optimizer}) {
    for (Job job :
         {small_mixtral({.expert = size > 1 ? 2 : 1, .data = size}),
          small_mixtral({.data = size}),
          small_falcon({.tensor = size > 1 ? 2 : 1, .data = size / (size > 1 ? 2 : 1)})}) {
      job.recipe.zero = zero;
      ASSERT_FALSE(illegal_because(job)) << *illegal_because(job);
      expect_overlapped_equals(job, *ranks);
    }
  }
}

TEST(RehearsedOverlap, InBf16StaysWithinItsTolerance) {
  const auto ranks = world();
  for (const ZeroStage zero : {ZeroStage::optimizer, ZeroStage::parameters}) {
    Job job = small_gpt2({.data = ranks->size()});
    job.recipe.precision = Precision::bf16;
    job.recipe.zero = zero;
    expect_overlapped_equals(job, *ranks);
  }
}

TEST(RehearsedOverlap, ShowsEveryBrokenCollective) {
  const auto ranks = world();
  if (ranks->size() != 2) {
    GTEST_SKIP() << "one size is enough";
  }

  struct Case {
    Collective broken;
    ParallelLayout layout;
    ZeroStage zero;
  };

  for (const Case& one : {Case{Collective::all_reduce, {.data = 2}, ZeroStage::none},
                          Case{Collective::reduce_scatter, {.data = 2}, ZeroStage::optimizer},
                          Case{Collective::all_gather, {.data = 2}, ZeroStage::optimizer},
                          Case{Collective::reduce_scatter, {.data = 2}, ZeroStage::parameters},
                          Case{Collective::all_gather, {.data = 2}, ZeroStage::parameters},
                          Case{Collective::reduce_scatter, {.tensor = 2}, ZeroStage::optimizer},
                          Case{Collective::all_gather, {.tensor = 2}, ZeroStage::optimizer}}) {
    Job job = small_llama(one.layout);
    job.recipe.zero = one.zero;
    FaultyCommunicator faulty(*ranks, one.broken);
    EXPECT_FALSE(overlapped(job, faulty).equal) << name_of(one.broken);
  }
  IdleGather idle(*ranks);
  EXPECT_FALSE(overlapped(small_llama({.data = 2}), idle).equal);
}

// Counts what is started and what runs at once.
class CountedCommunicator final : public FaultyCommunicator {
 public:
  CountedCommunicator(Communicator& sound, std::map<Collective, int>& started)
      : FaultyCommunicator(sound, Collective::broadcast), sound_(sound), started_(started) {}

  std::unique_ptr<Communicator> split(int color, int key) override {
    auto part = sound_.split(color, key);
    auto counted = std::make_unique<CountedCommunicator>(*part, started_);
    counted->owned_ = std::move(part);
    return counted;
  }

  void start_collective(const CollectiveCall& call) override {
    ++started_[call.op];
    FaultyCommunicator::start_collective(call);
  }

 private:
  std::unique_ptr<Communicator> owned_;
  Communicator& sound_;
  std::map<Collective, int>& started_;
};

// 4 layers of small_llama on two data-parallel ranks: 64 x 1000 x 2 + 4 x 30,848 + 64 parameters,
// 12 buckets of 20,000 and a rest that joins them; ZeRO-3 gathers embedding, four layers and head.
TEST(RehearsedOverlap, StartsEveryBucketAndEveryLayerAhead) {
  const auto ranks = world();
  if (ranks->size() != 2) {
    GTEST_SKIP() << "one size is enough";
  }
  const auto started = [&](ZeroStage zero, ParallelLayout layout) {
    std::map<Collective, int> counts;
    CountedCommunicator counted(*ranks, counts);
    Job job = small_llama(layout);
    job.recipe.global_batch = layout.data;
    job.recipe.zero = zero;
    const auto device = one_thread_device();
    GridCommunicators groups(counted, job.layout);
    Executor executor(job,
                      {ranks->size()},
                      *device,
                      groups,
                      {.overlap = Overlap::on, .bucket_parameters = small_bucket});
    executor.initialise(1);
    executor.run_step(0);
    executor.settle();
    return counts;
  };
  const auto flat = started(ZeroStage::optimizer, {.data = 2});
  EXPECT_EQ(flat.at(Collective::reduce_scatter), 12);
  EXPECT_EQ(flat.at(Collective::all_gather), 12);
  EXPECT_EQ(started(ZeroStage::none, {.data = 2}).at(Collective::all_reduce), 12);
  const auto units = started(ZeroStage::parameters, {.data = 2});
  EXPECT_EQ(units.at(Collective::reduce_scatter), 6);
  // Forward all but the embedding, backward all but the head.
  EXPECT_EQ(units.at(Collective::all_gather), 5 + 4);
  // A gather under dgrad and a reduction under wgrad, of both blocks of every layer.
  const auto tensor = started(ZeroStage::none, {.tensor = 2});
  EXPECT_GE(tensor.at(Collective::all_gather), 4 * 2);
  EXPECT_GE(tensor.at(Collective::reduce_scatter), 4 * 2);
}

}  // namespace
}  // namespace forerun
