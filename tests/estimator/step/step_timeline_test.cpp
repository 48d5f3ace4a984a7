// The timeline of a step: every pass once, rows without overlaps, busy times as simulated.
#include "estimator/step/step_timeline.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/estimator/step/pipeline_cases.hpp"

namespace forerun {
namespace {

StepPipeline random_pipeline(Schedule schedule, Exchange exchange, std::mt19937& random) {
  StepPipeline pipeline;
  pipeline.schedule = schedule;
  pipeline.shape = random_shape(schedule, random);
  pipeline.costs = random_costs(pipeline.shape, exchange, random);
  for (std::int64_t stage = 0; stage < pipeline.shape.stages; ++stage) {
    pipeline.tails.push_back({{Activity::data_parallel, 0.5 * unit::second},
                              {Activity::optimizer, 0.25 * unit::second}});
  }
  return pipeline;
}

TEST(StepTimeline, HoldsWhatTheSimulationRan) {
  std::mt19937 random(1);
  for (const Schedule schedule : all_schedules) {
    for (int i = 0; i < 10; ++i) {
      const StepPipeline pipeline =
          random_pipeline(schedule, i % 2 == 0 ? Exchange::blocking : Exchange::overlapped, random);
      SCOPED_TRACE(described(schedule, pipeline.shape));
      const auto times = simulate_pipeline(schedule, pipeline.shape, pipeline.costs);
      std::vector<Seconds> busy(times.size());
      std::vector<Seconds> end(times.size());
      const TimelineSlice* before = nullptr;
      const auto slices = step_timeline(pipeline);
      for (const TimelineSlice& slice : slices) {
        const auto stage = static_cast<std::size_t>(slice.stage);
        if (slice.activity == Activity::pass) {
          EXPECT_EQ(slice.stream, Stream::compute);
          busy[stage] += slice.end - slice.start;
          end[stage] = slice.end;
        }
        if (before != nullptr && before->stage == slice.stage && before->stream == slice.stream) {
          EXPECT_LE(before->end, slice.start);
        }
        before = &slice;
      }
      for (std::size_t stage = 0; stage < times.size(); ++stage) {
        EXPECT_NEAR(busy[stage] / times[stage].busy, 1.0, 1e-9);
        EXPECT_EQ(end[stage], times[stage].end);
      }
    }
  }
}

TEST(StepTimeline, ShowsEveryPassOnce) {
  std::mt19937 random(2);
  for (const Schedule schedule : all_schedules) {
    const StepPipeline pipeline = random_pipeline(schedule, Exchange::overlapped, random);
    std::map<std::int64_t, std::vector<PipelineOp>> shown;
    for (const TimelineSlice& slice : step_timeline(pipeline)) {
      if (slice.activity == Activity::pass) {
        shown[slice.stage].push_back(slice.op);
        if (slice.partner) {
          shown[slice.stage].push_back(*slice.partner);
        }
      }
    }
    for (std::int64_t stage = 0; stage < pipeline.shape.stages; ++stage) {
      EXPECT_EQ(shown[stage], stage_program(schedule, pipeline.shape, stage))
          << described(schedule, pipeline.shape);
    }
  }
}

TEST(StepTimeline, ShowsTwoMessagesForEachMicroBatchAndBoundary) {
  for (const Exchange exchange : {Exchange::blocking, Exchange::overlapped}) {
    StepPipeline pipeline;
    pipeline.shape = {4, 1, 8};
    pipeline.costs = equal_costs(pipeline.shape, {}, 0.1, exchange);
    Seconds sum;
    int count = 0;
    for (const TimelineSlice& slice : step_timeline(pipeline)) {
      if (slice.activity == Activity::message) {
        sum += slice.end - slice.start;
        ++count;
      }
    }
    EXPECT_EQ(count, 2 * 8 * 3);
    EXPECT_NEAR(sum.in(unit::second), 2 * 8 * 3 * 0.1, 1e-9);
  }
}

TEST(StepTimeline, EndsWithTheTails) {
  StepPipeline pipeline;
  pipeline.shape = {2, 1, 2};
  pipeline.costs = equal_costs(pipeline.shape, {});
  pipeline.tails = {{{Activity::data_parallel, 2.0 * unit::second}},
                    {{Activity::optimizer, 1.0 * unit::second}}};
  const auto slices = step_timeline(pipeline);
  // 1F1B of two: stage 0 ends at (2 + 1) * 3, stage 1 with its second backward at 7.
  const TimelineSlice& last = slices.back();
  EXPECT_EQ(last.stage, 1);
  EXPECT_EQ(last.activity, Activity::optimizer);
  EXPECT_NEAR(last.start.in(unit::second), 7.0, 1e-12);
  const auto data = std::ranges::find(slices, Activity::data_parallel, &TimelineSlice::activity);
  ASSERT_NE(data, slices.end());
  EXPECT_EQ(data->stream, Stream::data_parallel);
  EXPECT_NEAR(data->start.in(unit::second), 9.0, 1e-12);
  EXPECT_NEAR(data->end.in(unit::second), 11.0, 1e-12);
}

}  // namespace
}  // namespace forerun
