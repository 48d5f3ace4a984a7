// A pipeline schedule made ready for simulation: the passes of all stages in one flat order.
#pragma once

#include <cstdint>
#include <vector>

#include "estimator/step/pipeline_schedule.hpp"

namespace forerun {

/// One step of the flat order. Steps of no duration belong to paired passes: such a pair waits for
/// two inputs and has two outputs.
struct PipelineStep {
  std::uint32_t input = 0;        ///< slot of the message that it waits for; 0: none
  std::uint32_t duration = 0;     ///< index in the table of durations (`duration_index`)
  std::uint16_t stage = 0;        //
  std::uint16_t in_channel = 0;   ///< by which the input came
  std::uint16_t out_channel = 0;  ///< by which the output leaves (`channel_of`)
};

/// A message leaves towards the next stage, the previous one, or stays. Stage p - 1 is before
/// stage 0.
enum class Direction : std::uint16_t { next = 0, previous = 1, stays = 2 };

[[nodiscard]] inline std::uint16_t channel_of(std::int64_t stage, Direction direction) {
  return static_cast<std::uint16_t>(3 * stage + static_cast<std::int64_t>(direction));
}

/// All that a simulation needs besides costs. Depends on schedule and shape alone, so whoever
/// prices many jobs makes it once per (schedule, p, v, m).
struct PipelineProgram {
  PipelineShape shape;
  /// The output of steps[i] is slot i + 1; every input lies before.
  std::vector<PipelineStep> steps;
  std::vector<std::uint32_t> first_step;  ///< of each stage
  std::vector<std::int64_t> count;        ///< of each duration: how often it occurs
};

/// Where the duration of a pass stands in the table; then come those of pairs, then the zero.
[[nodiscard]] inline std::uint32_t duration_index(const PipelineShape& shape,
                                                  std::int64_t stage,
                                                  std::int64_t chunk,
                                                  Pass pass) {
  return static_cast<std::uint32_t>(4 * (stage * shape.chunks + chunk) +
                                    static_cast<std::int64_t>(pass));
}

/// Backward chunks that a forward chunk may pair with: pairs are for stages of at most two chunks.
[[nodiscard]] inline std::int64_t pairs_of_chunk(const PipelineShape& shape) {
  return shape.chunks <= 2 ? shape.chunks : 0;
}

[[nodiscard]] inline std::uint32_t pair_index(const PipelineShape& shape,
                                              std::int64_t stage,
                                              std::int64_t forward_chunk,
                                              std::int64_t backward_chunk) {
  const std::int64_t seats = shape.stages * shape.chunks;
  const std::int64_t seat = stage * shape.chunks + forward_chunk;
  return static_cast<std::uint32_t>(4 * seats + seat * pairs_of_chunk(shape) + backward_chunk);
}

[[nodiscard]] inline std::uint32_t zero_index(const PipelineShape& shape) {
  return static_cast<std::uint32_t>((4 + pairs_of_chunk(shape)) * shape.stages * shape.chunks);
}

/// The program of a legal shape. Throws std::logic_error when it has more passes or stages than the
/// indices hold (2^32 and 21,844).
[[nodiscard]] PipelineProgram pipeline_program(Schedule schedule, const PipelineShape& shape);

/// The operations of a step, for those who draw it: one, or two that are paired; none for the steps
/// without a duration.
struct StepLabel {
  std::vector<PipelineOp> ops;
};

/// The same from given stage programs: `programs[stage]`; `labels`, unless null, gets one entry a
/// step. Throws std::logic_error naming the operation when a stage waits for what never comes
/// (deadlock) or runs a pass twice or not at all.
[[nodiscard]] PipelineProgram pipeline_program(ChunkPlacement placement,
                                               const PipelineShape& shape,
                                               const std::vector<std::vector<PipelineOp>>& programs,
                                               std::vector<StepLabel>* labels = nullptr);

}  // namespace forerun
