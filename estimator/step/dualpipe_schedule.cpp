// dualpipe and dualpipe-v: micro-batches meet from both sides; forward and backward passes of two
// of them run as one.
#include <algorithm>
#include <array>
#include <utility>

#include "estimator/step/schedule_programs.hpp"

namespace forerun {
namespace {

// Passes in "sides": side 0 is the chunk that this stage's half of the pipeline feeds first.
class SideProgram {
 public:
  // `chunks` and `first`: the local chunk and the first micro-batch of each side.
  SideProgram(std::array<std::int64_t, 2> chunks,
              std::array<std::int64_t, 2> first,
              std::int64_t per_side)
      : chunks_(chunks), forwards_(first), backwards_(first) {
    program_.reserve(static_cast<std::size_t>(6 * per_side));
  }

  void forward(std::size_t side, Pairing pairing = Pairing::alone) {
    program_.push_back({Pass::forward, chunks_[side], forwards_[side]++, pairing});
  }

  void backward(std::size_t side) {
    program_.push_back({Pass::backward, chunks_[side], backwards_[side]++, Pairing::alone});
  }

  void backward_input(std::size_t side) {
    const PipelineOp op{Pass::backward_input, chunks_[side], backwards_[side]++, Pairing::alone};
    program_.push_back(op);
    waiting_.push_back(op);
  }

  // The oldest weight part that waits.
  void weight() {
    PipelineOp op = waiting_[next_weight_++];
    op.pass = Pass::backward_weight;
    program_.push_back(op);
  }

  void pair(std::size_t forward_side, std::size_t backward_side) {
    forward(forward_side, Pairing::with_next);
    backward(backward_side);
  }

  [[nodiscard]] std::vector<PipelineOp> take() { return std::move(program_); }

 private:
  std::array<std::int64_t, 2> chunks_;
  std::array<std::int64_t, 2> forwards_;
  std::array<std::int64_t, 2> backwards_;
  std::vector<PipelineOp> waiting_;
  std::size_t next_weight_ = 0;
  std::vector<PipelineOp> program_;
};

// Where a stage stands between the end that feeds side 0 and the middle (the turn of the V).
struct Place {
  std::int64_t from_end = 0;
  std::int64_t to_middle = 0;
  std::int64_t per_side = 0;  ///< micro-batches of each side
};

void warm_up(const Place& at, SideProgram& program) {
  for (std::int64_t i = 0; i < 2 * at.to_middle; ++i) {
    program.forward(0);
  }
  for (std::int64_t i = 0; i < at.from_end + 1; ++i) {
    program.forward(0);
    program.forward(1);
  }
  for (std::int64_t i = 0; i < at.to_middle; ++i) {
    program.backward_input(1);
    program.weight();
    program.forward(1);
  }
}

void steady_state(const Place& at, SideProgram& program) {
  const std::int64_t half = at.from_end + at.to_middle + 1;
  for (std::int64_t i = 0; i < at.per_side - 2 * half + at.from_end + 1; ++i) {
    if (i == 0 && at.to_middle == 0) {  // the middle sends its first output on before it pairs
      program.forward(0);
      program.backward(1);
    } else {
      program.pair(0, 1);
    }
    program.pair(1, 0);
  }
  for (std::int64_t i = 0; i < at.to_middle; ++i) {
    program.backward(1);
    program.pair(1, 0);
  }
}

void cool_down(const Place& at, SideProgram& program) {
  bool splits = false;
  const auto backward = [&](std::size_t side) {
    if (splits) {
      program.backward_input(side);
    } else {
      program.backward(side);
    }
  };
  const std::int64_t count = at.from_end + 1;
  for (std::int64_t i = 0; i < count; ++i) {
    splits = splits || (i == count / 2 && at.from_end % 2 == 1);
    backward(1);
    splits = splits || i == count / 2;
    backward(0);
  }
  for (std::int64_t i = 0; i < at.to_middle; ++i) {
    program.weight();
    program.backward_input(0);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    program.weight();
  }
}

}  // namespace

std::vector<PipelineOp> dualpipe_program(Schedule schedule,
                                         const PipelineShape& shape,
                                         std::int64_t stage) {
  const bool is_v = schedule == Schedule::dualpipe_v;
  const std::int64_t per_side = is_v ? shape.micro_batches : shape.micro_batches / 2;
  const std::int64_t half = is_v ? shape.stages : shape.stages / 2;
  const bool is_mirrored = stage >= half;
  const std::int64_t from_end = is_mirrored ? shape.stages - 1 - stage : stage;
  const Place at{from_end, half - 1 - from_end, per_side};
  // In dualpipe the second half of the micro-batches belongs to chunk 1.
  const std::int64_t second = is_v ? 0 : per_side;
  SideProgram program = is_mirrored ? SideProgram({1, 0}, {second, 0}, per_side)
                                    : SideProgram({0, 1}, {0, second}, per_side);
  warm_up(at, program);
  steady_state(at, program);
  cool_down(at, program);
  return program.take();
}

}  // namespace forerun
