// Pipeline schedules against the golden values and bubble formulas of the modelling notes, section
// 4, and the legality of their programs.
#include "estimator/step/pipeline_schedule.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/estimator/step/pipeline_cases.hpp"

namespace forerun {
namespace {

// F = 1 and B = 2 unless given.
double makespan(Schedule schedule, const PipelineShape& shape, double message = 0.0) {
  return makespan_of(simulate_pipeline(schedule, shape, equal_costs(shape, {}, message)))
      .in(unit::second);
}

// What a step takes beyond the work of one stage.
double bubble(Schedule schedule, const PipelineShape& shape, const StageParts& parts) {
  const auto times = simulate_pipeline(schedule, shape, equal_costs(shape, parts));
  return (makespan_of(times) - times.front().busy).in(unit::second);
}

// The same where stages need not wait for each other between steps.
double open_bubble(Schedule schedule, const PipelineShape& shape, const StageParts& parts) {
  const auto times = simulate_pipeline(schedule, shape, equal_costs(shape, parts));
  return (longest_span_of(times) - times.front().busy).in(unit::second);
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
  // Modelling notes, 2.3: hops of 0.1 add 6.8 to plain 1F1B on p = 8, m = 32, and 3.0 with v = 2.
  EXPECT_NEAR(makespan(Schedule::one_f_one_b, {8, 1, 32}, 0.1) - 117.0, 6.8, 1e-9);
  EXPECT_NEAR(makespan(Schedule::interleaved, {8, 2, 32}, 0.1) - 106.5, 3.0, 0.05);
}

TEST(PipelineSchedule, PlainSchedulesIdleForAFillAndADrain) {
  // (p - 1)(F + B) = 7 * 3.6.
  EXPECT_NEAR(bubble(Schedule::gpipe, {8, 1, 20}, {1.0, 1.4, 1.2}), 25.2, 1e-9);
  EXPECT_NEAR(bubble(Schedule::one_f_one_b, {8, 1, 20}, {1.0, 1.4, 1.2}), 25.2, 1e-9);
}

TEST(PipelineSchedule, ChunksDivideTheBubble) {
  // (p - 1)(F + B) / v = 7 * 3.6 / 3.
  EXPECT_NEAR(bubble(Schedule::interleaved, {8, 3, 16}, {1.0, 1.4, 1.2}), 8.4, 1e-9);
  EXPECT_NEAR(bubble(Schedule::breadth_first, {8, 3, 16}, {1.0, 1.4, 1.2}), 8.4, 1e-9);
}

TEST(PipelineSchedule, InterleavingKeepsItsBubbleWithLargerGroups) {
  // 11 micro-batches on 4 stages go in groups of 6 and 5.
  EXPECT_NEAR(bubble(Schedule::interleaved, {4, 2, 11}, {}), 3.0 * 3.0 / 2.0, 1e-9);
}

TEST(PipelineSchedule, WeightPartsFillTheBubbleOfZbH1) {
  // (p - 1)(F + Bi - W): 7 * (1 + 1 - 1), 7 * (1 + 1.5 - 0.9), 3 * (1 + 1.2 - 0.8).
  EXPECT_NEAR(bubble(Schedule::zb_h1, {8, 1, 20}, {1.0, 1.0, 1.0}), 7.0, 1e-9);
  EXPECT_NEAR(bubble(Schedule::zb_h1, {8, 1, 20}, {1.0, 1.5, 0.9}), 11.2, 1e-9);
  EXPECT_NEAR(bubble(Schedule::zb_h1, {4, 1, 8}, {1.0, 1.2, 0.8}), 4.2, 1e-9);
}

TEST(PipelineSchedule, WeightPartsFillTheBubbleOfZbH2) {
  // (p - 1)(F + Bi - 2W), seen from each stage's first pass to its last.
  EXPECT_NEAR(open_bubble(Schedule::zb_h2, {8, 1, 20}, {1.0, 1.0, 1.0}), 0.0, 1e-9);
  EXPECT_NEAR(open_bubble(Schedule::zb_h2, {8, 1, 20}, {1.0, 1.5, 0.9}), 4.9, 1e-9);
  // A step by itself still begins (p - 1) F later on the last stage.
  EXPECT_NEAR(bubble(Schedule::zb_h2, {8, 1, 20}, {1.0, 1.0, 1.0}), 7.0, 1e-9);
}

TEST(PipelineSchedule, TheVHasNoBubbleWhenItsPartsAreEqual) {
  for (const PipelineShape shape : {PipelineShape{2, 2, 8}, {4, 2, 8}, {8, 2, 20}}) {
    EXPECT_NEAR(open_bubble(Schedule::zb_v, shape, {2.0, 2.0, 2.0}), 0.0, 1e-9);
  }
}

// DualPipe's bubble: (p/2 - 1)(F&B + B - 3W), of chunks of 1/p of the model.
TEST(PipelineSchedule, DualPipeHasItsPublishedBubble) {
  // Chunks of F = Bi = W = 1: 3 * (3 + 2 - 3); with W = 0.5: 3 * (2.5 + 1.5 - 1.5).
  EXPECT_NEAR(bubble(Schedule::dualpipe, {8, 2, 20}, {2.0, 2.0, 2.0}), 6.0, 1e-9);
  EXPECT_NEAR(bubble(Schedule::dualpipe, {8, 2, 32}, {2.0, 2.0, 1.0}), 7.5, 1e-9);
}

TEST(PipelineSchedule, DualPipeVHasThatBubbleOnHalfTheDevices) {
  // p = 8 chunks on 4 devices.
  EXPECT_NEAR(bubble(Schedule::dualpipe_v, {4, 2, 8}, {2.0, 2.0, 2.0}), 6.0, 1e-9);
  EXPECT_NEAR(bubble(Schedule::dualpipe_v, {4, 2, 32}, {2.0, 2.0, 1.0}), 7.5, 1e-9);
}

TEST(PipelineSchedule, DualPipeHidesCommunicationInItsPairs) {
  // F = Bi = W = 1, of which 0.25 of F and 0.25 of B communicate: F&B = 3 - 0.5. Stage 0 of 8 with
  // 20 micro-batches (10 a side) pairs 2 (10 - 8 + 1) + 3 times.
  const PipelineShape shape{8, 2, 20};
  PipelineCosts costs = equal_costs(shape, {2.0, 2.0, 2.0});
  for (PassCosts& passes : costs.passes) {
    passes.forward_exchange = 0.25 * unit::second;
    passes.backward_exchange = 0.25 * unit::second;
  }
  const auto times = simulate_pipeline(Schedule::dualpipe, shape, costs);
  EXPECT_NEAR(times.front().busy.in(unit::second), 20 * 3.0 - 9 * 0.5, 1e-9);
}

TEST(PipelineSchedule, ShowsDualPipesFirstPassesAsPublished) {
  // Stage 0 of 4, 8 micro-batches: 2 forward of side 0, one of each side, then B1 W1 F1 and pairs.
  const auto program = stage_program(Schedule::dualpipe, {4, 2, 8}, 0);
  EXPECT_EQ(program[0], (PipelineOp{Pass::forward, 0, 0, Pairing::alone}));
  EXPECT_EQ(program[2], (PipelineOp{Pass::forward, 0, 2, Pairing::alone}));
  EXPECT_EQ(program[3], (PipelineOp{Pass::forward, 1, 4, Pairing::alone}));
  EXPECT_EQ(program[4], (PipelineOp{Pass::backward_input, 1, 4, Pairing::alone}));
  EXPECT_EQ(program[5], (PipelineOp{Pass::backward_weight, 1, 4, Pairing::alone}));
  EXPECT_EQ(program[6], (PipelineOp{Pass::forward, 1, 5, Pairing::alone}));
  EXPECT_EQ(program[7], (PipelineOp{Pass::forward, 0, 3, Pairing::with_next}));
  EXPECT_EQ(program[8], (PipelineOp{Pass::backward, 1, 5, Pairing::alone}));
}

TEST(PipelineSchedule, BreadthFirstRunsAllMicroBatchesOfAChunkBeforeTheNext) {
  const auto program = stage_program(Schedule::breadth_first, {2, 2, 3}, 1);
  EXPECT_EQ(program[2], (PipelineOp{Pass::forward, 0, 2, Pairing::alone}));
  EXPECT_EQ(program[3], (PipelineOp{Pass::forward, 1, 0, Pairing::alone}));
  EXPECT_EQ(program[6], (PipelineOp{Pass::backward, 1, 0, Pairing::alone}));
  EXPECT_EQ(program[9], (PipelineOp{Pass::backward, 0, 0, Pairing::alone}));
}

// Position of each pass of each (chunk, micro-batch) in a stage's program; weight and input parts
// of a whole backward pass stand at the same place.
using Order = std::map<std::tuple<Pass, std::int64_t, std::int64_t>, std::size_t>;

Order order_of(const std::vector<PipelineOp>& program) {
  Order order;
  const auto add = [&](Pass pass, const PipelineOp& op, std::size_t at) {
    EXPECT_TRUE(order.emplace(std::tuple(pass, op.chunk, op.micro_batch), at).second)
        << text_of(op) << " runs twice";
  };
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (program[i].pass == Pass::backward) {
      add(Pass::backward_input, program[i], i);
      add(Pass::backward_weight, program[i], i);
    } else {
      add(program[i].pass, program[i], i);
    }
  }
  return order;
}

void expect_legal(Schedule schedule, const PipelineShape& shape, std::int64_t stage) {
  const Order order = order_of(stage_program(schedule, shape, stage));
  const std::int64_t per_chunk =
      schedule == Schedule::dualpipe ? shape.micro_batches / 2 : shape.micro_batches;
  EXPECT_EQ(std::ssize(order), 3 * shape.chunks * per_chunk);
  for (const auto& [what, at] : order) {
    const auto& [pass, chunk, micro_batch] = what;
    if (pass == Pass::forward) {
      const std::size_t input = order.at({Pass::backward_input, chunk, micro_batch});
      EXPECT_LT(at, input);
      EXPECT_LE(input, order.at({Pass::backward_weight, chunk, micro_batch}));
    }
  }
}

TEST(PipelineSchedule, EveryProgramIsLegal) {
  std::mt19937 random(1);
  for (const Schedule schedule : all_schedules) {
    for (int i = 0; i < 40; ++i) {
      const PipelineShape shape = random_shape(schedule, random);
      SCOPED_TRACE(described(schedule, shape));
      for (std::int64_t stage = 0; stage < shape.stages; ++stage) {
        expect_legal(schedule, shape, stage);
      }
    }
  }
}

TEST(PipelineSchedule, OnlyZeroBubbleSchedulesSplitTheBackwardPass) {
  for (const Schedule schedule : all_schedules) {
    const PipelineShape shape{4, placement_of(schedule) == ChunkPlacement::looping ? 1 : 2, 8};
    const auto program = stage_program(schedule, shape, 1);
    EXPECT_EQ(std::ranges::any_of(
                  program, [](const PipelineOp& op) { return op.pass == Pass::backward_weight; }),
              splits_backward(schedule))
        << name_of(schedule);
  }
}

}  // namespace
}  // namespace forerun
