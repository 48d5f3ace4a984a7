// Closed forms against the events, over random costs.
#include "estimator/step/pipeline_closed_form.hpp"

#include <gtest/gtest.h>

#include "tests/estimator/step/pipeline_cases.hpp"

namespace forerun {
namespace {

void expect_equal(Schedule schedule, const PipelineShape& shape, const PipelineCosts& costs) {
  const auto closed = closed_makespan(schedule, shape, costs);
  ASSERT_TRUE(closed) << described(schedule, shape);
  const Seconds events = makespan_of(simulate_pipeline(schedule, shape, costs));
  EXPECT_NEAR(*closed / events, 1.0, 1e-12) << described(schedule, shape);
}

double between(double low, double high, std::mt19937& random) {
  return std::uniform_real_distribution<double>(low, high)(random);
}

TEST(ClosedForm, OfGPipeIsExactForAnyCosts) {
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    const Exchange exchange = i % 2 == 0 ? Exchange::blocking : Exchange::overlapped;
    const PipelineShape shape = random_shape(Schedule::gpipe, random);
    const PipelineCosts costs = random_costs(shape, exchange, random);
    expect_equal(Schedule::gpipe, shape, costs);
    expect_equal(Schedule::breadth_first, shape, costs);
  }
}

TEST(ClosedForm, OfPlain1F1BIsExactForEqualStages) {
  std::mt19937 random(2);
  for (int i = 0; i < 500; ++i) {
    PipelineShape shape = random_shape(Schedule::one_f_one_b, random);
    shape.stages *= 1 + i % 3;
    shape.micro_batches *= 1 + i % 5;
    const StageParts parts{
        between(0.5, 2.0, random), between(0.5, 2.0, random), between(0.5, 2.0, random)};
    expect_equal(Schedule::one_f_one_b,
                 shape,
                 equal_costs(shape, parts, between(0.0, 0.5, random), Exchange::overlapped));
    expect_equal(Schedule::one_f_one_b, shape, equal_costs(shape, parts, 0.0, Exchange::blocking));
  }
}

TEST(ClosedForm, OfChunksIsExactForEqualChunks) {
  std::mt19937 random(3);
  for (int i = 0; i < 200; ++i) {
    for (const Schedule schedule : {Schedule::interleaved, Schedule::breadth_first}) {
      PipelineShape shape = random_shape(schedule, random);
      shape.micro_batches = shape.stages * (1 + i % 4);
      shape.chunks = std::max<std::int64_t>(shape.chunks, 2);
      const StageParts parts{
          between(0.5, 2.0, random), between(0.5, 2.0, random), between(0.5, 2.0, random)};
      expect_equal(schedule, shape, equal_costs(shape, parts));
    }
  }
}

TEST(ClosedForm, IsNotClaimedElsewhere) {
  const PipelineShape shape{4, 1, 8};
  PipelineCosts uneven = equal_costs(shape, {});
  uneven.passes[2].forward *= 1.1;
  EXPECT_FALSE(closed_makespan(Schedule::one_f_one_b, shape, uneven));
  EXPECT_FALSE(closed_makespan(Schedule::one_f_one_b, shape, equal_costs(shape, {}, 1.5)));
  EXPECT_FALSE(closed_makespan(Schedule::zb_h1, shape, equal_costs(shape, {})));
  EXPECT_FALSE(closed_makespan(Schedule::interleaved, {4, 2, 8}, equal_costs({4, 2, 8}, {}, 0.1)));
  EXPECT_FALSE(closed_makespan(Schedule::interleaved, {4, 2, 10}, equal_costs({4, 2, 10}, {})));
}

}  // namespace
}  // namespace forerun
