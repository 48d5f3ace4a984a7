// zb-h1, zb-h2 and zb-v: the weight part of the backward pass fills the bubble.
#include <algorithm>
#include <array>
#include <utility>

#include "estimator/step/schedule_programs.hpp"

namespace forerun {
namespace {

// Appends the next micro-batch of each kind of pass of each chunk.
class VProgram {
 public:
  explicit VProgram(std::int64_t micro_batches) : micro_batches_(micro_batches) {
    program_.reserve(static_cast<std::size_t>(6 * micro_batches));
  }

  void forward(std::size_t chunk) { add(Pass::forward, chunk, forwards_[chunk]++); }

  void input(std::size_t chunk) { add(Pass::backward_input, chunk, inputs_[chunk]++); }

  void weight(std::size_t chunk) { add(Pass::backward_weight, chunk, weights_[chunk]++); }

  void input_and_weight(std::size_t chunk) {
    input(chunk);
    weight(chunk);
  }

  [[nodiscard]] std::int64_t forwards(std::size_t chunk) const { return forwards_[chunk]; }

  // The weight parts that are left.
  void finish(std::size_t chunk) {
    while (weights_[chunk] < inputs_[chunk]) {
      weight(chunk);
    }
  }

  [[nodiscard]] std::vector<PipelineOp> take() { return std::move(program_); }

 private:
  // A schedule for more micro-batches than there are is the schedule without those.
  void add(Pass pass, std::size_t chunk, std::int64_t micro_batch) {
    if (micro_batch < micro_batches_) {
      program_.push_back({pass, static_cast<std::int64_t>(chunk), micro_batch, Pairing::alone});
    }
  }

  std::int64_t micro_batches_;
  std::array<std::int64_t, 2> forwards_{};
  std::array<std::int64_t, 2> inputs_{};
  std::array<std::int64_t, 2> weights_{};
  std::vector<PipelineOp> program_;
};

}  // namespace

std::vector<PipelineOp> zero_bubble_program(std::int64_t micro_batches,
                                            std::int64_t in_flight,
                                            std::int64_t lag) {
  std::vector<PipelineOp> program;
  program.reserve(static_cast<std::size_t>(3 * micro_batches));
  const auto add = [&](Pass pass, std::int64_t micro_batch) {
    if (micro_batch >= 0 && micro_batch < micro_batches) {
      program.push_back({pass, 0, micro_batch, Pairing::alone});
    }
  };
  for (std::int64_t k = 0; k < in_flight; ++k) {
    add(Pass::forward, k);
  }
  for (std::int64_t k = 0; k < micro_batches + lag; ++k) {
    add(Pass::backward_input, k);
    add(Pass::backward_weight, k - lag);
    add(Pass::forward, k + in_flight);
  }
  return program;
}

std::vector<PipelineOp> zero_bubble_v_program(const PipelineShape& shape, std::int64_t stage) {
  constexpr std::size_t down = 0;
  constexpr std::size_t up = 1;
  const std::int64_t below = shape.stages - stage;  // stages from here to the turn of the V
  // With fewer than 2p - 1 micro-batches the pipeline never fills.
  const std::int64_t total = std::max(2 * shape.stages - 1, shape.micro_batches);
  VProgram program(shape.micro_batches);
  for (std::int64_t k = 0; k < 2 * below - 1; ++k) {
    program.forward(down);
  }
  for (std::int64_t k = 0; k < stage; ++k) {
    program.forward(up);
    program.forward(down);
  }
  for (std::int64_t k = 0; k < below; ++k) {
    program.forward(up);
    program.input_and_weight(up);
  }
  while (program.forwards(up) < program.forwards(down) || program.forwards(down) < total) {
    if (program.forwards(down) < total) {
      program.forward(down);
    }
    program.input_and_weight(down);
    program.forward(up);
    program.input_and_weight(up);
  }
  for (std::int64_t k = 0; k < stage; ++k) {
    program.input(down);
    program.input(up);
  }
  for (std::int64_t k = 0; k < below; ++k) {
    program.input_and_weight(down);
  }
  program.finish(up);
  program.finish(down);
  return program.take();
}

}  // namespace forerun
