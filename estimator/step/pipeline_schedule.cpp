#include "estimator/step/pipeline_schedule.hpp"

#include <algorithm>
#include <optional>

namespace forerun {
namespace {

// Megatron's interleaved order: the k-th forward pass of a stage takes micro-batches in groups of
// p, each group through all v chunks.
PipelineOp interleaved_op(const PipelineShape& shape, Pass pass, std::int64_t k) {
  const std::int64_t group = shape.stages * shape.chunks;
  const std::int64_t chunk = k % group / shape.stages;
  return {pass,
          pass == Pass::forward ? chunk : shape.chunks - 1 - chunk,
          k / group * shape.stages + k % shape.stages};
}

// `warm_up` forwards, then one forward one backward, then the remaining backwards.
template <typename OpOf>
std::vector<PipelineOp> one_forward_one_backward(std::int64_t total,
                                                 std::int64_t warm_up,
                                                 OpOf op_of) {
  std::vector<PipelineOp> program;
  program.reserve(static_cast<std::size_t>(2 * total));
  warm_up = std::min(warm_up, total);
  for (std::int64_t k = 0; k < warm_up; ++k) {
    program.push_back(op_of(Pass::forward, k));
  }
  for (std::int64_t k = warm_up; k < total; ++k) {
    program.push_back(op_of(Pass::forward, k));
    program.push_back(op_of(Pass::backward, k - warm_up));
  }
  for (std::int64_t k = total - warm_up; k < total; ++k) {
    program.push_back(op_of(Pass::backward, k));
  }
  return program;
}

// When each pass ended, by global chunk and micro-batch; absent: not yet run.
class PassEnds {
 public:
  PassEnds(std::int64_t chunks, std::int64_t micro_batches)
      : micro_batches_(micro_batches),
        ends_(static_cast<std::size_t>(2 * chunks * micro_batches)) {}

  std::optional<Seconds>& at(Pass pass, std::int64_t chunk, std::int64_t micro_batch) {
    const std::int64_t row = 2 * chunk + (pass == Pass::forward ? 0 : 1);
    return ends_[static_cast<std::size_t>(row * micro_batches_ + micro_batch)];
  }

 private:
  std::int64_t micro_batches_;
  std::vector<std::optional<Seconds>> ends_;
};

class Simulation {
 public:
  Simulation(Schedule schedule, const PipelineShape& shape, const PipelineCosts& costs)
      : shape_(shape),
        costs_(costs),
        ends_(shape.stages * shape.chunks, shape.micro_batches),
        next_(static_cast<std::size_t>(shape.stages), 0),
        times_(static_cast<std::size_t>(shape.stages)) {
    for (std::int64_t stage = 0; stage < shape.stages; ++stage) {
      programs_.push_back(stage_program(schedule, shape, stage));
    }
  }

  std::vector<StageTimes> run() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (std::int64_t stage = 0; stage < shape_.stages; ++stage) {
        while (advance(stage)) {
          moved = true;
        }
      }
    }
    return times_;
  }

 private:
  // Runs the stage's next pass if its input has been computed.
  bool advance(std::int64_t stage) {
    const auto s = static_cast<std::size_t>(stage);
    if (next_[s] == programs_[s].size()) {
      return false;
    }
    const PipelineOp op = programs_[s][next_[s]];
    const std::int64_t chunk = op.chunk * shape_.stages + stage;
    const std::optional<Seconds> ready = input_ready(op, chunk);
    if (!ready) {
      return false;
    }
    StageTimes& times = times_[s];
    const bool is_remote = receives(op.pass, chunk) && shape_.stages > 1;
    Seconds start = std::max(times.end, *ready);
    if (is_remote) {
      start = costs_.exchange == Exchange::blocking ? std::max(times.end, *ready) + costs_.message
                                                    : std::max(times.end, *ready + costs_.message);
    }
    const auto& table = op.pass == Pass::forward ? costs_.forward : costs_.backward;
    const Seconds duration = table[s][static_cast<std::size_t>(op.chunk)];
    times.end = start + duration;
    times.busy += duration;
    ends_.at(op.pass, chunk, op.micro_batch) = times.end;
    ++next_[s];
    return true;
  }

  [[nodiscard]] bool receives(Pass pass, std::int64_t chunk) const {
    const std::int64_t last = shape_.stages * shape_.chunks - 1;
    return pass == Pass::forward ? chunk > 0 : chunk < last;
  }

  std::optional<Seconds> input_ready(const PipelineOp& op, std::int64_t chunk) {
    if (op.pass == Pass::forward) {
      return chunk == 0 ? std::optional(Seconds())
                        : ends_.at(Pass::forward, chunk - 1, op.micro_batch);
    }
    return receives(Pass::backward, chunk) ? ends_.at(Pass::backward, chunk + 1, op.micro_batch)
                                           : ends_.at(Pass::forward, chunk, op.micro_batch);
  }

  PipelineShape shape_;
  const PipelineCosts& costs_;
  PassEnds ends_;
  std::vector<std::vector<PipelineOp>> programs_;
  std::vector<std::size_t> next_;
  std::vector<StageTimes> times_;
};

}  // namespace

std::vector<PipelineOp> stage_program(Schedule schedule,
                                      const PipelineShape& shape,
                                      std::int64_t stage) {
  const std::int64_t p = shape.stages;
  const std::int64_t v = shape.chunks;
  const std::int64_t total = shape.micro_batches * v;
  const auto op_of = [&](Pass pass, std::int64_t k) { return interleaved_op(shape, pass, k); };
  switch (schedule) {
    case Schedule::gpipe:
      return one_forward_one_backward(total, total, op_of);
    case Schedule::one_f_one_b:
      return one_forward_one_backward(total, p - stage - 1, op_of);
    case Schedule::interleaved:
      return one_forward_one_backward(total, 2 * (p - stage - 1) + (v - 1) * p, op_of);
  }
  return {};
}

std::vector<StageTimes> simulate_pipeline(Schedule schedule,
                                          const PipelineShape& shape,
                                          const PipelineCosts& costs) {
  return Simulation(schedule, shape, costs).run();
}

}  // namespace forerun
