#include "estimator/step/pipeline_program.hpp"

#include <limits>
#include <span>
#include <stdexcept>

namespace forerun {
namespace {

constexpr std::int64_t most_stages = std::numeric_limits<std::uint16_t>::max() / 3 - 1;
constexpr std::int64_t most_steps = std::numeric_limits<std::uint32_t>::max() - 1;

bool is_forward(const PipelineOp& op) {
  return op.pass == Pass::forward;
}

// What a chunk's micro-batch has put out, and the kinds of pass by where their input and output go.
enum Row : std::int64_t { forward_row, gradient_row, weight_row };

Row row_of(Pass pass) {
  return pass == Pass::forward           ? forward_row
         : pass == Pass::backward_weight ? weight_row
                                         : gradient_row;
}

// How a pass of a seat hangs together with others, the same for every micro-batch.
struct Link {
  std::int64_t source = -1;  // row of outputs that it waits for; -1: none
  bool is_remote = false;    // the source lies on another stage
  std::uint16_t in_channel = 0;
  std::uint16_t out_channel = 0;
};

class Links {
 public:
  Links(ChunkPlacement placement, const PipelineShape& shape) : shape_(shape) {
    links_.resize(static_cast<std::size_t>(3 * shape.stages * shape.chunks));
    for (std::int64_t stage = 0; stage < shape.stages; ++stage) {
      for (std::int64_t chunk = 0; chunk < shape.chunks; ++chunk) {
        add(placement, {stage, chunk});
      }
    }
  }

  // The row of a seat's outputs, and the number of the link of the pass that fills it.
  [[nodiscard]] std::int64_t row(Row row, ChunkSeat seat) const {
    return 3 * (seat.stage * shape_.chunks + seat.local) + static_cast<std::int64_t>(row);
  }

  [[nodiscard]] const Link& of(Pass pass, ChunkSeat seat) const {
    return links_[static_cast<std::size_t>(row(row_of(pass), seat))];
  }

 private:
  void add(ChunkPlacement placement, ChunkSeat seat) {
    const auto before = previous_seat(placement, shape_.stages, shape_.chunks, seat);
    const auto after = next_seat(placement, shape_.stages, shape_.chunks, seat);
    Link& forward = at(forward_row, seat);
    Link& gradient = at(gradient_row, seat);
    Link& weight = at(weight_row, seat);
    for (Link* link : {&forward, &gradient, &weight}) {
      link->in_channel = link->out_channel = channel_of(seat.stage, Direction::stays);
    }
    weight.source = row(gradient_row, seat);
    gradient.source = row(forward_row, seat);
    if (before) {
      forward.source = row(forward_row, *before);
      connect(*before, seat, forward);
      gradient.out_channel = channel(seat.stage, before->stage);
    }
    if (after) {
      gradient.source = row(gradient_row, *after);
      connect(*after, seat, gradient);
      forward.out_channel = channel(seat.stage, after->stage);
    }
  }

  void connect(ChunkSeat from, ChunkSeat to, Link& link) const {
    if (from.stage != to.stage) {
      link.is_remote = true;
      link.in_channel = channel(from.stage, to.stage);
    }
  }

  // Two stages are each other's next and previous; only a wrap to stage 0 goes on by `next`.
  [[nodiscard]] std::uint16_t channel(std::int64_t from, std::int64_t to) const {
    if (from == to) {
      return channel_of(from, Direction::stays);
    }
    const bool wraps = to == 0 && from == shape_.stages - 1 && from > 1;
    return channel_of(from, to == from + 1 || wraps ? Direction::next : Direction::previous);
  }

  Link& at(Row which, ChunkSeat seat) { return links_[static_cast<std::size_t>(row(which, seat))]; }

  PipelineShape shape_;
  std::vector<Link> links_;
};

// Takes the stages in turn, one operation each, so that operations which do not wait for each other
// stand side by side: the simulation's inner loop is then not one long chain of dependences.
class Compiler {
 public:
  Compiler(ChunkPlacement placement,
           const PipelineShape& shape,
           const std::vector<std::vector<PipelineOp>>& programs,
           std::vector<StepLabel>* labels)
      : placement_(placement),
        shape_(shape),
        links_(placement, shape),
        programs_(programs),
        labels_(labels),
        next_(programs.size(), 0),
        outputs_(static_cast<std::size_t>(3 * shape.stages * shape.chunks * shape.micro_batches),
                 0) {
    program_.shape = shape;
    program_.first_step.assign(programs.size(), 0);
    program_.count.assign(zero_index(shape) + 1, 0);
    std::size_t ops = 0;
    for (const auto& stage : programs) {
      ops += stage.size();
    }
    program_.steps.reserve(ops);
  }

  PipelineProgram compile() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (std::size_t stage = 0; stage < programs_.size(); ++stage) {
        moved = advance(stage) || moved;
      }
    }
    for (std::size_t stage = 0; stage < programs_.size(); ++stage) {
      if (next_[stage] < programs_[stage].size()) {
        fail(stage, programs_[stage][next_[stage]], "waits for what never comes");
      }
    }
    check_complete();
    return std::move(program_);
  }

 private:
  [[noreturn]] static void fail(std::size_t stage, const PipelineOp& op, const std::string& why) {
    throw std::logic_error("pipeline schedule: stage " + std::to_string(stage) + ": " +
                           text_of(op) + " " + why);
  }

  // The slot of what a pass put out; 0 while it has not run.
  std::uint32_t& output(std::int64_t row, std::int64_t micro_batch) {
    return outputs_[static_cast<std::size_t>(row * shape_.micro_batches + micro_batch)];
  }

  [[nodiscard]] bool is_ready(const PipelineOp& op, ChunkSeat seat) {
    const Link& link = links_.of(op.pass, seat);
    const bool has_input = link.source < 0 || output(link.source, op.micro_batch) != 0;
    return has_input &&
           (is_forward(op) || output(links_.row(forward_row, seat), op.micro_batch) != 0);
  }

  // A step that waits for the operation's input; within a stage the order is enough.
  [[nodiscard]] PipelineStep step_of(const PipelineOp& op, ChunkSeat seat) {
    const Link& link = links_.of(op.pass, seat);
    PipelineStep step;
    step.stage = static_cast<std::uint16_t>(seat.stage);
    step.in_channel = link.in_channel;
    step.out_channel = link.out_channel;
    step.input = link.is_remote ? output(link.source, op.micro_batch) : 0;
    return step;
  }

  // Records that the pass has run, with its output in the step that was just added.
  void set_output(const PipelineOp& op, ChunkSeat seat) {
    const auto slot = static_cast<std::uint32_t>(program_.steps.size());
    const auto put = [&](Row row) {
      std::uint32_t& here = output(links_.row(row, seat), op.micro_batch);
      if (here != 0) {
        fail(static_cast<std::size_t>(seat.stage), op, "runs twice");
      }
      here = slot;
    };
    put(row_of(op.pass));
    if (op.pass == Pass::backward) {
      put(weight_row);
    }
  }

  void push(const PipelineStep& step, std::span<const PipelineOp> ops) {
    if (std::ssize(program_.steps) >= most_steps) {
      throw std::logic_error("pipeline schedule: too many passes");
    }
    program_.steps.push_back(step);
    ++program_.count[step.duration];
    if (labels_ != nullptr) {
      labels_->push_back({{ops.begin(), ops.end()}});
    }
  }

  bool advance(std::size_t stage) {
    const std::span<const PipelineOp> ops(programs_[stage]);
    if (next_[stage] == ops.size()) {
      return false;
    }
    const PipelineOp& op = ops[next_[stage]];
    const ChunkSeat seat{static_cast<std::int64_t>(stage), op.chunk};
    if (!is_ready(op, seat)) {
      return false;
    }
    if (op.pairing == Pairing::with_next) {
      return advance_pair(stage, ops.subspan(next_[stage]));
    }
    note_first(stage);
    PipelineStep step = step_of(op, seat);
    step.duration = duration_index(shape_, seat.stage, op.chunk, op.pass);
    push(step, ops.subspan(next_[stage], 1));
    set_output(op, seat);
    ++next_[stage];
    return true;
  }

  void note_first(std::size_t stage) {
    if (next_[stage] == 0) {
      program_.first_step[stage] = static_cast<std::uint32_t>(program_.steps.size());
    }
  }

  // Three steps: the forward input arrives; the backward input arrives, both passes run and the
  // gradient leaves; the forward output leaves.
  bool advance_pair(std::size_t stage, std::span<const PipelineOp> ops) {
    const PipelineOp& forward = ops.front();
    const bool is_pair = ops.size() > 1 && is_forward(forward) && ops[1].pass == Pass::backward &&
                         pairs_of_chunk(shape_) > 0;
    if (!is_pair) {
      fail(stage, forward, "is not a forward pass paired with a backward pass of two chunks");
    }
    const PipelineOp& backward = ops[1];
    const ChunkSeat from{static_cast<std::int64_t>(stage), forward.chunk};
    const ChunkSeat back{static_cast<std::int64_t>(stage), backward.chunk};
    if (!is_ready(backward, back)) {
      return false;
    }
    note_first(stage);
    PipelineStep arrives = step_of(forward, from);
    PipelineStep leaves = arrives;
    arrives.duration = leaves.duration = zero_index(shape_);
    arrives.out_channel = leaves.in_channel = channel_of(from.stage, Direction::stays);
    leaves.input = 0;
    PipelineStep runs = step_of(backward, back);
    runs.duration = pair_index(shape_, from.stage, forward.chunk, backward.chunk);
    push(arrives, {});
    push(runs, ops.first(2));
    set_output(backward, back);
    push(leaves, {});
    set_output(forward, from);
    next_[stage] += 2;
    return true;
  }

  // Every micro-batch has passed every chunk that it belongs to, forward, back and in its weights.
  void check_complete() {
    for (std::int64_t stage = 0; stage < shape_.stages; ++stage) {
      for (std::int64_t chunk = 0; chunk < shape_.chunks; ++chunk) {
        for (const Pass pass : {Pass::forward, Pass::backward_input, Pass::backward_weight}) {
          check_row(pass, {stage, chunk});
        }
      }
    }
  }

  void check_row(Pass pass, ChunkSeat seat) {
    const std::int64_t row = links_.row(row_of(pass), seat);
    const bool has_half = placement_ == ChunkPlacement::bidirectional;
    for (std::int64_t m = 0; m < shape_.micro_batches; ++m) {
      const bool is_elsewhere = has_half && (m < shape_.micro_batches / 2) != (seat.local == 0);
      if ((output(row, m) == 0) != is_elsewhere) {
        fail(static_cast<std::size_t>(seat.stage),
             {pass, seat.local, m, Pairing::alone},
             is_elsewhere ? "is not this stage's to run" : "never runs");
      }
    }
  }

  ChunkPlacement placement_;
  PipelineShape shape_;
  Links links_;
  const std::vector<std::vector<PipelineOp>>& programs_;
  std::vector<StepLabel>* labels_;
  std::vector<std::size_t> next_;
  std::vector<std::uint32_t> outputs_;
  PipelineProgram program_;
};

}  // namespace

PipelineProgram pipeline_program(ChunkPlacement placement,
                                 const PipelineShape& shape,
                                 const std::vector<std::vector<PipelineOp>>& programs,
                                 std::vector<StepLabel>* labels) {
  if (shape.stages > most_stages) {
    throw std::logic_error("pipeline schedule: more than " + std::to_string(most_stages) +
                           " stages");
  }
  return Compiler(placement, shape, programs, labels).compile();
}

PipelineProgram pipeline_program(Schedule schedule, const PipelineShape& shape) {
  std::vector<std::vector<PipelineOp>> programs;
  programs.reserve(static_cast<std::size_t>(shape.stages));
  for (std::int64_t stage = 0; stage < shape.stages; ++stage) {
    programs.push_back(stage_program(schedule, shape, stage));
  }
  return pipeline_program(placement_of(schedule), shape, programs);
}

}  // namespace forerun
