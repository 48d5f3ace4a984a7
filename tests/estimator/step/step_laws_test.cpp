// Laws that any cost model obeys, over random jobs, layouts, schedules and shardings.
#include <array>

#include <gtest/gtest.h>

#include "tests/estimator/step/random_jobs.hpp"

namespace forerun {
namespace {

double seconds_of(const Job& job, Speeds speeds, Overlap overlap) {
  const StepEstimate step =
      estimate_step(job, {4}, prices_of(speeds), {overlap, host_overheads(), {}});
  return total_of(step.breakdown).in(unit::second);
}

constexpr int jobs = 300;

// Of a device whose arithmetic, memory or wire is faster.
TEST(StepLaws, NothingFasterMakesTheStepSlower) {
  RandomJobs random(11);
  for (int i = 0; i < jobs; ++i) {
    const Job job = random.next();
    for (const Overlap overlap : {Overlap::off, Overlap::on}) {
      const Speeds now;
      const double before = seconds_of(job, now, overlap);
      for (const double faster : {1.2, 2.0, 10.0}) {
        const std::array<Speeds, 3> better{
            Speeds{faster * now.flop_per_s, now.byte_per_s, now.wire_byte_per_s},
            Speeds{now.flop_per_s, faster * now.byte_per_s, now.wire_byte_per_s},
            Speeds{now.flop_per_s, now.byte_per_s, faster * now.wire_byte_per_s}};
        for (std::size_t which = 0; which < better.size(); ++which) {
          EXPECT_LE(seconds_of(job, better.at(which), overlap), before * (1.0 + 1e-12))
              << text_of(job) << ", faster by " << faster << " in " << which;
        }
      }
    }
  }
}

TEST(StepLaws, OverlapIsNeverSlower) {
  RandomJobs random(12);
  for (int i = 0; i < jobs; ++i) {
    const Job job = random.next();
    EXPECT_LE(seconds_of(job, {}, Overlap::on), seconds_of(job, {}, Overlap::off) * (1.0 + 1e-12))
        << text_of(job);
  }
}

TEST(StepLaws, PartsSumToTheWholeAndNoneIsNegative) {
  RandomJobs random(13);
  for (int i = 0; i < jobs; ++i) {
    const Job job = random.next();
    const StepBreakdown b =
        estimate_step(job, {4}, prices_of({}), {Overlap::on, host_overheads(), {}}).breakdown;
    for (const Seconds part : {b.compute,
                               b.recompute,
                               b.tensor_parallel,
                               b.context_parallel,
                               b.expert_parallel,
                               b.pipeline_p2p,
                               b.bubble,
                               b.data_parallel,
                               b.optimizer,
                               b.contention,
                               b.host}) {
      EXPECT_GE(part.in(unit::second), -1e-15) << text_of(job);
    }
    EXPECT_EQ(job.layout.context == 1, b.context_parallel == Seconds()) << text_of(job);
    EXPECT_TRUE(job.layout.tensor > 1 || b.tensor_parallel == Seconds()) << text_of(job);
    EXPECT_TRUE(job.layout.pipeline > 1 || b.bubble == Seconds()) << text_of(job);
  }
}

// With all devices in one node, ranks numbered otherwise are the same ranks.
TEST(StepLaws, PermutingEqualRanksChangesNothing) {
  RandomJobs random(14);
  for (int i = 0; i < jobs; ++i) {
    const Job job = random.next();
    Placement placement{64};
    const auto step = [&] {
      const StepEstimate estimate =
          estimate_step(job, placement, prices_of({}), {Overlap::on, host_overheads(), {}});
      return total_of(estimate.breakdown).in(unit::second);
    };
    const double before = step();
    for (const char* order : {"pp-tp-cp-ep-dp", "dp-tp-cp-ep-pp", "cp-dp-pp-ep-tp"}) {
      placement.rank_order = rank_order_from(order);
      EXPECT_DOUBLE_EQ(step(), before) << text_of(job) << " " << order;
    }
  }
}

}  // namespace
}  // namespace forerun
