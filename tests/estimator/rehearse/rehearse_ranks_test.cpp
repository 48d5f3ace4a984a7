// A step split over real ranks computes what the unsplit step computes; a broken collective shows.
#include <memory>

#include <gtest/gtest.h>

#include "comm/mpi/mpi_communicator.hpp"
#include "estimator/rehearse/equality.hpp"
#include "jobs/parallel_layout.hpp"
#include "kernels/host/host_device.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "tests/fake/faulty_communicator.hpp"

namespace forerun {
namespace {

std::unique_ptr<Communicator> world() {
  return std::make_unique<MpiCommunicator>();
}

std::unique_ptr<Device> one_thread_device() {
  return std::make_unique<host::HostDevice>(DeviceChoice{.local_rank = 0, .local_ranks = 1000});
}

EqualityReport compare(const Job& job, Communicator& ranks) {
  const auto device = one_thread_device();
  const ReferenceStep reference = reference_step(job, *device, 11);
  GridCommunicators groups(ranks, job.layout);
  Executor executor(job, {ranks.size()}, *device, groups);
  return compare_with(reference, job, executor, ranks, 11);
}

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

void expect_equal(Job job, Communicator& ranks) {
  const EqualityReport report = compare(job, ranks);
  EXPECT_TRUE(report.equal) << text_of(job.layout) << " of " << job.model.name << ": loss "
                            << report.first_loss << " against " << report.reference_first_loss
                            << ", second " << report.second_loss << " against "
                            << report.reference_second_loss << ", gradient of "
                            << report.worst_tensor << " " << report.worst_gradient_error;
  // ln(1000) at the start: the model knows nothing yet.
  EXPECT_NEAR(report.first_loss, 6.9, 0.2);
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
    job.recipe.recompute = Recompute::full;
    if (layout.virtual_pipeline == 1) {
      job.recipe.schedule = Schedule::gpipe;
    }
    if (!illegal_because(job)) {
      expect_equal(job, *ranks);
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
