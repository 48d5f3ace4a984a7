// Activations in flight against Megatron's counts and those that the schedules were published with.
#include "estimator/step/activation_peak.hpp"

#include <gtest/gtest.h>

#include "tests/estimator/step/pipeline_cases.hpp"

namespace forerun {
namespace {

// Micro-batch chunks that a stage holds at most, released after the input or the weight part.
double held(Schedule schedule,
            const PipelineShape& shape,
            std::int64_t stage,
            Pass until = Pass::backward_weight) {
  ChunkMemory memory;
  (until == Pass::backward_weight ? memory.kept_for_weight : memory.kept_for_input) = unit::byte;
  const std::vector<ChunkMemory> chunks(static_cast<std::size_t>(shape.chunks), memory);
  return activation_peak(stage_program(schedule, shape, stage), chunks).kept.in(unit::byte);
}

TEST(ActivationPeak, HoldsAsManyChunksAsMegatron) {
  const double plain[] = {4, 3, 2, 1};
  const double two[] = {11, 9, 7, 5};
  const double four[] = {19, 17, 15, 13};
  for (std::int64_t stage = 0; stage < 4; ++stage) {
    EXPECT_EQ(held(Schedule::one_f_one_b, {4, 1, 8}, stage), plain[stage]);
    EXPECT_EQ(held(Schedule::interleaved, {4, 2, 8}, stage), two[stage]);
    EXPECT_EQ(held(Schedule::interleaved, {4, 4, 8}, stage), four[stage]);
    EXPECT_EQ(held(Schedule::gpipe, {4, 1, 8}, stage), 8);
    EXPECT_EQ(held(Schedule::breadth_first, {4, 2, 8}, stage), 16);
  }
  for (std::int64_t stage = 0; stage < 8; ++stage) {
    EXPECT_EQ(held(Schedule::interleaved, {8, 2, 32}, stage), 23 - 2 * stage);
  }
}

TEST(ActivationPeak, FewMicroBatchesHoldFewer) {
  EXPECT_EQ(held(Schedule::one_f_one_b, {8, 1, 3}, 0), 3);
  EXPECT_EQ(held(Schedule::zb_h2, {8, 1, 3}, 0), 3);
}

TEST(ActivationPeak, ZbH1HoldsWhat1F1BHolds) {
  for (std::int64_t stage = 0; stage < 4; ++stage) {
    EXPECT_EQ(held(Schedule::zb_h1, {4, 1, 12}, stage, Pass::backward_input), 4 - stage);
    EXPECT_EQ(held(Schedule::zb_h1, {4, 1, 12}, stage, Pass::backward_weight), 4);
  }
}

TEST(ActivationPeak, ZbH2HoldsTwiceThat) {
  for (std::int64_t stage = 0; stage < 4; ++stage) {
    EXPECT_EQ(held(Schedule::zb_h2, {4, 1, 12}, stage), 2 * 4 - 1);
  }
}

TEST(ActivationPeak, TheVHoldsAsMuchOnEveryStage) {
  // p micro-batches, in half-stage chunks.
  for (std::int64_t stage = 0; stage < 4; ++stage) {
    EXPECT_EQ(held(Schedule::zb_v, {4, 2, 12}, stage), 2 * 4);
  }
}

TEST(ActivationPeak, DualPipesHoldOneMoreThanStages) {
  for (std::int64_t stage = 0; stage < 8; ++stage) {
    EXPECT_EQ(held(Schedule::dualpipe, {8, 2, 20}, stage), 8 + 1);
  }
  for (std::int64_t stage = 0; stage < 4; ++stage) {
    EXPECT_EQ(held(Schedule::dualpipe_v, {4, 2, 20}, stage), 8 + 1);
  }
}

TEST(ActivationPeak, TakesTheInstantAtWhichMostIsHeld) {
  // Stage 1 of 2: one micro-batch of 5 bytes is kept; forward needs 1 byte more, backward 3.
  ChunkMemory memory;
  memory.kept_for_input = 5.0 * unit::byte;
  memory.forward_transient = 1.0 * unit::byte;
  memory.input_transient = 3.0 * unit::byte;
  const std::vector<ChunkMemory> chunks{memory};
  const auto peak = activation_peak(stage_program(Schedule::one_f_one_b, {2, 1, 4}, 1), chunks);
  EXPECT_EQ(peak.kept, 5.0 * unit::byte);
  EXPECT_EQ(peak.transient, 3.0 * unit::byte);
}

TEST(ActivationPeak, CountsWhatTheInputPartHandsOver) {
  // Last of 2 stages, zb-h1: F0 B0 F1 B1 W0: before W0 the inputs (2) and gradients (3) of both
  // micro-batches are held, less what the input parts (7) have freed; its transient adds 4.
  ChunkMemory memory;
  memory.kept_for_input = 7.0 * unit::byte;
  memory.kept_for_weight = 2.0 * unit::byte;
  memory.handed_over = 3.0 * unit::byte;
  memory.weight_transient = 14.0 * unit::byte;
  const std::vector<ChunkMemory> chunks{memory};
  const auto peak = activation_peak(stage_program(Schedule::zb_h1, {2, 1, 2}, 1), chunks);
  EXPECT_EQ(peak.kept, 10.0 * unit::byte);
  EXPECT_EQ(peak.transient, 14.0 * unit::byte);
}

TEST(ActivationPeak, OfAllStagesIsThatOfEach) {
  std::mt19937 random(5);
  std::uniform_int_distribution<int> number(0, 9);
  for (const Schedule schedule : all_schedules) {
    for (int i = 0; i < 10; ++i) {
      const PipelineShape shape = random_shape(schedule, random);
      SCOPED_TRACE(described(schedule, shape));
      std::vector<ChunkMemory> chunks;
      const auto bytes = [&] { return static_cast<double>(number(random)) * unit::byte; };
      for (std::int64_t seat = 0; seat < shape.stages * shape.chunks; ++seat) {
        chunks.push_back({bytes(), bytes(), bytes(), bytes(), bytes(), bytes(), {}});
      }
      const auto peaks = activation_peaks(pipeline_program(schedule, shape), chunks);
      for (std::int64_t stage = 0; stage < shape.stages; ++stage) {
        const auto one = activation_peak(
            stage_program(schedule, shape, stage),
            std::span(chunks).subspan(static_cast<std::size_t>(stage * shape.chunks),
                                      static_cast<std::size_t>(shape.chunks)));
        const ActivationPeak& here = peaks[static_cast<std::size_t>(stage)];
        EXPECT_EQ(here.kept + here.transient, one.kept + one.transient);
      }
    }
  }
}

}  // namespace
}  // namespace forerun
