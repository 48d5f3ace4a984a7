#include "estimator/step/pipeline_schedule.hpp"

#include <algorithm>
#include <cstddef>

#include "estimator/step/schedule_programs.hpp"

namespace forerun {
namespace {

// The forward chunk passes of a stage when micro-batches go through the chunks in groups, the last
// group with what remains of them. Backward passes take the chunks from the other end.
std::vector<PipelineOp> forward_order(const PipelineShape& shape, std::int64_t group) {
  std::vector<PipelineOp> order;
  order.reserve(static_cast<std::size_t>(shape.micro_batches * shape.chunks));
  for (std::int64_t first = 0; first < shape.micro_batches; first += group) {
    const std::int64_t end = std::min(first + group, shape.micro_batches);
    for (std::int64_t chunk = 0; chunk < shape.chunks; ++chunk) {
      for (std::int64_t m = first; m < end; ++m) {
        order.push_back({Pass::forward, chunk, m, Pairing::alone});
      }
    }
  }
  return order;
}

// `warm_up` forwards, then one forward one backward, then the remaining backwards.
std::vector<PipelineOp> one_forward_one_backward(const PipelineShape& shape,
                                                 std::int64_t group,
                                                 std::int64_t warm_up) {
  const auto order = forward_order(shape, group);
  const std::size_t ahead = std::min(static_cast<std::size_t>(warm_up), order.size());
  std::vector<PipelineOp> program(order.begin(),
                                  order.begin() + static_cast<std::ptrdiff_t>(ahead));
  program.reserve(2 * order.size());
  for (std::size_t k = 0; k < order.size(); ++k) {
    if (k + ahead < order.size()) {
      program.push_back(order[k + ahead]);
    }
    PipelineOp backward = order[k];
    backward.pass = Pass::backward;
    backward.chunk = shape.chunks - 1 - backward.chunk;
    program.push_back(backward);
  }
  return program;
}

}  // namespace

PipelineShape pipeline_shape(const Job& job) {
  return {job.layout.pipeline,
          local_chunks(schedule_of(job), job.layout.virtual_pipeline),
          micro_batches(job)};
}

bool splits_backward(Schedule schedule) {
  return schedule == Schedule::zb_h1 || schedule == Schedule::zb_h2 || schedule == Schedule::zb_v ||
         pairs_passes(schedule);
}

bool pairs_passes(Schedule schedule) {
  return schedule == Schedule::dualpipe || schedule == Schedule::dualpipe_v;
}

std::string_view name_of(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return "forward";
    case Pass::backward:
      return "backward";
    case Pass::backward_input:
      return "backward input";
    case Pass::backward_weight:
      return "backward weight";
  }
  return {};
}

std::string text_of(const PipelineOp& op) {
  return std::string(name_of(op.pass)) + " of micro-batch " + std::to_string(op.micro_batch) +
         ", chunk " + std::to_string(op.chunk);
}

std::vector<PipelineOp> stage_program(Schedule schedule,
                                      const PipelineShape& shape,
                                      std::int64_t stage) {
  const std::int64_t p = shape.stages;
  const std::int64_t v = shape.chunks;
  const std::int64_t m = shape.micro_batches;
  switch (schedule) {
    case Schedule::gpipe:
    case Schedule::breadth_first:
      return one_forward_one_backward(shape, m, m * v);
    case Schedule::one_f_one_b:
      return one_forward_one_backward(shape, p, p - stage - 1);
    case Schedule::interleaved: {
      const std::int64_t group = interleaving_group(p, m).value_or(m);
      return one_forward_one_backward(shape, group, 2 * (p - stage - 1) + (v - 1) * group);
    }
    case Schedule::zb_h1:
      return zero_bubble_program(m, p - stage, stage);
    case Schedule::zb_h2:
      return zero_bubble_program(m, 2 * (p - stage) - 1, 2 * stage);
    case Schedule::zb_v:
      return zero_bubble_v_program(shape, stage);
    case Schedule::dualpipe:
    case Schedule::dualpipe_v:
      return dualpipe_program(schedule, shape, stage);
  }
  return {};
}

}  // namespace forerun
