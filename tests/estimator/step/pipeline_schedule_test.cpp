// Pipeline schedules against the golden values of the modelling notes, section 4.
#include "estimator/step/pipeline_schedule.hpp"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

// F = 1 and B = 2 for a whole stage, shared evenly by its chunks; no communication unless given.
double makespan(Schedule schedule,
                const PipelineShape& shape,
                double message = 0.0,
                Exchange exchange = Exchange::overlapped) {
  PipelineCosts costs;
  const auto chunks = static_cast<std::size_t>(shape.chunks);
  const double share = 1.0 / static_cast<double>(shape.chunks);
  costs.forward.assign(static_cast<std::size_t>(shape.stages),
                       std::vector<Seconds>(chunks, share * unit::second));
  costs.backward.assign(static_cast<std::size_t>(shape.stages),
                        std::vector<Seconds>(chunks, 2.0 * share * unit::second));
  costs.message = message * unit::second;
  costs.exchange = exchange;
  Seconds last;
  for (const StageTimes& stage : simulate_pipeline(schedule, shape, costs)) {
    last = std::max(last, stage.end);
  }
  return last.in(unit::second);
}

std::int64_t peak_in_flight(Schedule schedule, const PipelineShape& shape, std::int64_t stage) {
  std::int64_t alive = 0;
  std::int64_t peak = 0;
  for (const PipelineOp& op : stage_program(schedule, shape, stage)) {
    alive += op.pass == Pass::forward ? 1 : -1;
    peak = std::max(peak, alive);
  }
  return peak;
}

TEST(PipelineSchedule, ReproducesTheGoldenMakespansOfFourStages) {
  EXPECT_NEAR(makespan(Schedule::gpipe, {4, 1, 8}), 33.0, 1e-9);
  EXPECT_NEAR(makespan(Schedule::one_f_one_b, {4, 1, 8}), 33.0, 1e-9);
  EXPECT_NEAR(makespan(Schedule::interleaved, {4, 2, 8}), 28.5, 1e-9);
  EXPECT_NEAR(makespan(Schedule::interleaved, {4, 4, 8}), 26.25, 1e-9);
}

TEST(PipelineSchedule, ReproducesTheGoldenMakespansOfEightStages) {
  EXPECT_NEAR(makespan(Schedule::gpipe, {8, 1, 32}), 117.0, 1e-9);
  EXPECT_NEAR(makespan(Schedule::one_f_one_b, {8, 1, 32}), 117.0, 1e-9);
  EXPECT_NEAR(makespan(Schedule::interleaved, {8, 2, 32}), 106.5, 1e-9);
  EXPECT_NEAR(makespan(Schedule::interleaved, {8, 4, 32}), 101.25, 1e-9);
}

TEST(PipelineSchedule, ReproducesTheGoldenCostOfHops) {
  // Modelling notes, 2.3: hops of 0.1 add 6.8 to plain 1F1B on p = 8, m = 32.
  EXPECT_NEAR(makespan(Schedule::one_f_one_b, {8, 1, 32}, 0.1) - 117.0, 6.8, 0.05);
}

TEST(PipelineSchedule, HoldsAsManyChunksAsMegatron) {
  const std::int64_t plain[] = {4, 3, 2, 1};
  const std::int64_t two[] = {11, 9, 7, 5};
  const std::int64_t four[] = {19, 17, 15, 13};
  for (std::int64_t stage = 0; stage < 4; ++stage) {
    EXPECT_EQ(peak_in_flight(Schedule::one_f_one_b, {4, 1, 8}, stage), plain[stage]);
    EXPECT_EQ(peak_in_flight(Schedule::interleaved, {4, 2, 8}, stage), two[stage]);
    EXPECT_EQ(peak_in_flight(Schedule::interleaved, {4, 4, 8}, stage), four[stage]);
    EXPECT_EQ(peak_in_flight(Schedule::gpipe, {4, 1, 8}, stage), 8);
  }
}

TEST(PipelineSchedule, RunsEveryPassOfEveryMicroBatchOnce) {
  for (const Schedule schedule : {Schedule::gpipe, Schedule::one_f_one_b, Schedule::interleaved}) {
    const PipelineShape shape{4, schedule == Schedule::interleaved ? 3 : 1, 8};
    for (std::int64_t stage = 0; stage < 4; ++stage) {
      std::set<std::tuple<Pass, std::int64_t, std::int64_t>> seen;
      for (const PipelineOp& op : stage_program(schedule, shape, stage)) {
        seen.emplace(op.pass, op.chunk, op.micro_batch);
      }
      EXPECT_EQ(std::ssize(seen), 2 * shape.chunks * 8);
      EXPECT_EQ(std::ssize(stage_program(schedule, shape, stage)), 2 * shape.chunks * 8);
    }
  }
}

TEST(PipelineSchedule, OneStageHasNoBubble) {
  EXPECT_NEAR(makespan(Schedule::one_f_one_b, {1, 1, 8}, 1.0, Exchange::blocking), 24.0, 1e-9);
}

TEST(PipelineSchedule, SlowerMessagesAreNeverFaster) {
  for (const Exchange exchange : {Exchange::blocking, Exchange::overlapped}) {
    double before = 0.0;
    for (const double message : {0.0, 0.1, 0.5, 2.0}) {
      const double now = makespan(Schedule::interleaved, {4, 2, 8}, message, exchange);
      EXPECT_GE(now, before);
      before = now;
    }
  }
}

TEST(PipelineSchedule, StaysBetweenItsBounds) {
  // Slowest stage alone, and that plus one fill of the pipeline (modelling notes, section 4).
  PipelineCosts costs;
  const double forward[] = {1.0, 3.0, 2.0, 1.5};
  for (const double f : forward) {
    costs.forward.push_back({f * unit::second});
    costs.backward.push_back({2.0 * f * unit::second});
  }
  Seconds last;
  for (const StageTimes& stage : simulate_pipeline(Schedule::one_f_one_b, {4, 1, 8}, costs)) {
    last = std::max(last, stage.end);
  }
  EXPECT_GE(last.in(unit::second), 8 * 9.0);
  EXPECT_LE(last.in(unit::second), 3.0 * 7.5 + 7 * 9.0 + 1e-9);
}

}  // namespace
}  // namespace forerun
