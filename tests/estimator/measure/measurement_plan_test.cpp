// What is measured is what is priced: the plan holds every key of every job.
#include "estimator/measure/measurement_plan.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/estimator/step/step_jobs.hpp"

namespace forerun {
namespace {

TEST(MeasurementPlan, HoldsEveryKeyThatTheEstimatePrices) {
  std::vector<Job> jobs;
  for (const ParallelLayout& layout :
       {ParallelLayout{.tensor = 2}, ParallelLayout{.pipeline = 2}, ParallelLayout{.data = 2}}) {
    jobs.push_back(small_gpt2(layout));
  }
  const MeasurementPlan plan = plan_measurement(jobs, {2});
  for (const Job& job : jobs) {
    const WorkKeys keys = work_keys(job, {2});
    for (const KernelKey& key : keys.kernels) {
      EXPECT_NE(std::ranges::find(plan.kernels, key), plan.kernels.end()) << text_of(key);
    }
    for (const CollectiveKey& key : keys.collectives) {
      EXPECT_NE(std::ranges::find(plan.collectives, key, &PlannedCollective::key),
                plan.collectives.end())
          << text_of(key);
    }
  }
}

TEST(MeasurementPlan, NamesEachKeyOnce) {
  const Job job = small_llama({.tensor = 2});
  const MeasurementPlan once = plan_measurement({job}, {2});
  const MeasurementPlan twice = plan_measurement({job, job}, {2});
  EXPECT_EQ(once.kernels.size(), twice.kernels.size());
  EXPECT_EQ(once.collectives.size(), twice.collectives.size());
}

TEST(MeasurementPlan, CoversEveryCollectiveOverTheGroupsInUse) {
  const MeasurementPlan plan = plan_measurement({small_llama({.tensor = 2})}, {2});
  for (const Collective op : {Collective::all_reduce,
                              Collective::all_gather,
                              Collective::reduce_scatter,
                              Collective::all_to_all,
                              Collective::send_recv}) {
    EXPECT_TRUE(std::ranges::any_of(plan.collectives, [&](const PlannedCollective& planned) {
      return planned.key.op == op;
    })) << name_of(op);
  }
}

TEST(MeasurementPlan, GivesEveryRankWholeElements) {
  for (const PlannedCollective& planned :
       plan_measurement({small_llama({.tensor = 4})}, {4}).collectives) {
    EXPECT_EQ(planned.key.bytes % (planned.key.group.ranks * 4), 0) << text_of(planned.key);
  }
}

// The flat buffers are reduced and gathered where they lie; what sequence parallelism moves has a
// place of its own at either end.
TEST(MeasurementPlan, TakesCollectivesInTheFormOfTheStep) {
  const auto in_place = [](const ParallelLayout& layout, Collective op) {
    std::vector<bool> forms;
    for (const PlannedCollective& planned :
         plan_measurement({small_gpt2(layout)}, {2}).collectives) {
      if (planned.pass == 0 && planned.key.op == op) {
        forms.push_back(planned.in_place);
      }
    }
    return forms;
  };
  EXPECT_EQ(in_place({.data = 2}, Collective::reduce_scatter), std::vector{true});
  EXPECT_EQ(in_place({.data = 2}, Collective::all_gather), std::vector{true});
  EXPECT_EQ(in_place({.tensor = 2}, Collective::reduce_scatter), std::vector{false});
  EXPECT_EQ(in_place({.tensor = 2}, Collective::all_gather), std::vector{false});
}

TEST(MeasurementPlan, OfOneRankHasNoCollectives) {
  EXPECT_TRUE(plan_measurement({small_llama({})}, {1}).collectives.empty());
}

}  // namespace
}  // namespace forerun
