// The timeline of one step: what every stage does when, for those who draw it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "estimator/step/pipeline_schedule.hpp"
#include "estimator/step/pipeline_simulation.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// What runs one thing at a time. Messages that a stage sends run on two streams, one a direction;
/// a blocking receiver waits on its `receive` stream instead.
enum class Stream { compute, send_next, send_previous, receive, data_parallel, host_link };

enum class Activity { pass, message, tensor_parallel, data_parallel, optimizer, offload };

struct TimelineSlice {
  std::int64_t stage = 0;
  Stream stream = Stream::compute;
  Activity activity = Activity::pass;
  PipelineOp op;                      ///< of a pass; of a message: the pass that it comes from
  std::optional<PipelineOp> partner;  ///< of a pair: the backward pass beside the forward `op`
  Seconds start;                      ///< from the start of the step
  Seconds end;
};

/// What a stage does after its last pass, one after the other: gradient reductions as far as they
/// are not hidden, optimizer, what is offloaded.
struct TailPart {
  Activity activity = Activity::optimizer;
  Seconds time;
};

/// All that a step's timeline follows from.
struct StepPipeline {
  Schedule schedule = Schedule::one_f_one_b;
  PipelineShape shape;
  PipelineCosts costs;
  std::vector<std::vector<TailPart>> tails;  ///< [stage]; or empty
};

/// All slices that take any time, ordered by stage, then stream, then start. Slices of one stream
/// of one stage never overlap; those of its compute stream sum to its busy time and its
/// optimizer's. What passes wait for the host link ends with them, on a stream of its own.
[[nodiscard]] std::vector<TimelineSlice> step_timeline(const StepPipeline& pipeline);

}  // namespace forerun
