#include "estimator/step/step_timeline.hpp"

#include <algorithm>
#include <tuple>

#include "units/unit.hpp"

namespace forerun {
namespace {

Direction direction_of(std::uint16_t channel) {
  return static_cast<Direction>(channel % 3);
}

// Goes through the program as the simulation does, keeping what the simulation forgets.
class Recorder {
 public:
  explicit Recorder(const StepPipeline& pipeline) : pipeline_(pipeline) {
    std::vector<std::vector<PipelineOp>> programs;
    for (std::int64_t stage = 0; stage < pipeline.shape.stages; ++stage) {
      programs.push_back(stage_program(pipeline.schedule, pipeline.shape, stage));
    }
    program_ =
        pipeline_program(placement_of(pipeline.schedule), pipeline.shape, programs, &labels_);
    (void)simulate_pipeline(program_, pipeline.costs, scratch_);
    free_.resize(programs.size());
    sent_.resize(3 * programs.size());
    sources_.resize(program_.steps.size() + 1);
  }

  std::vector<TimelineSlice> record() {
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      add_step(i);
    }
    add_tails();
    std::ranges::stable_sort(slices_, {}, [](const TimelineSlice& slice) {
      return std::tuple(slice.stage, slice.stream, slice.start);
    });
    return std::move(slices_);
  }

 private:
  [[nodiscard]] Seconds message_of(std::uint16_t channel) const {
    return scratch_.messages[channel] * unit::second;
  }

  void add(const TimelineSlice& slice) {
    if (slice.end > slice.start) {
      slices_.push_back(slice);
    }
  }

  void add_step(std::size_t i) {
    const PipelineStep& step = program_.steps[i];
    const bool is_blocking = pipeline_.costs.exchange == Exchange::blocking;
    const std::int64_t stage = step.stage;
    const Seconds arrived = scratch_.outputs[step.input] * unit::second;
    Seconds start = std::max(free_[step.stage], arrived);
    if (is_blocking) {
      const Seconds received = start + message_of(step.in_channel);
      add({stage, Stream::receive, Activity::message, sources_[step.input], {}, start, received});
      start = received;
    }
    const Seconds end = start + scratch_.durations[step.duration] * unit::second;
    const auto& ops = labels_[i].ops;
    if (!ops.empty()) {
      const auto partner = ops.size() > 1 ? std::optional(ops[1]) : std::nullopt;
      add({stage, Stream::compute, Activity::pass, ops[0], partner, start, end});
      const Seconds waits = waiting_of(stage, ops);
      add({stage, Stream::host_link, Activity::offload, ops[0], partner, end - waits, end});
    }
    free_[step.stage] = end;
    // A pair's gradient leaves by the step that runs it, its forward output by the one after.
    sources_[i + 1] = ops.size() > 1 ? ops[1] : ops.size() == 1 ? ops[0] : last_forward_;
    last_forward_ = ops.empty() ? last_forward_ : ops[0];
    if (!is_blocking && direction_of(step.out_channel) != Direction::stays) {
      const Seconds leaves = std::max(end, sent_[step.out_channel]);
      const Seconds arrival = leaves + message_of(step.out_channel);
      sent_[step.out_channel] = arrival;
      const Stream stream = direction_of(step.out_channel) == Direction::next
                                ? Stream::send_next
                                : Stream::send_previous;
      add({stage, stream, Activity::message, sources_[i + 1], {}, leaves, arrival});
    }
  }

  // For the host link.
  [[nodiscard]] Seconds waiting_of(std::int64_t stage, const std::vector<PipelineOp>& ops) const {
    Seconds waits;
    for (const PipelineOp& op : ops) {
      const auto seat = static_cast<std::size_t>(stage * pipeline_.shape.chunks + op.chunk);
      const PassCosts& costs = pipeline_.costs.passes[seat];
      waits += op.pass == Pass::forward    ? costs.forward_offload
               : op.pass == Pass::backward ? costs.backward_offload
                                           : Seconds();
    }
    return waits;
  }

  void add_tails() {
    for (std::size_t stage = 0; stage < pipeline_.tails.size(); ++stage) {
      Seconds start = free_[stage];
      for (const TailPart& part : pipeline_.tails[stage]) {
        add({static_cast<std::int64_t>(stage),
             part.activity == Activity::data_parallel ? Stream::data_parallel
             : part.activity == Activity::offload     ? Stream::host_link
                                                      : Stream::compute,
             part.activity,
             {},
             {},
             start,
             start + part.time});
        start += part.time;
      }
    }
  }

  const StepPipeline& pipeline_;
  std::vector<StepLabel> labels_;
  PipelineProgram program_;
  PipelineScratch scratch_;
  std::vector<Seconds> free_;
  std::vector<Seconds> sent_;
  std::vector<PipelineOp> sources_;  // by slot: the pass whose output it holds
  PipelineOp last_forward_;
  std::vector<TimelineSlice> slices_;
};

}  // namespace

std::vector<TimelineSlice> step_timeline(const StepPipeline& pipeline) {
  return Recorder(pipeline).record();
}

}  // namespace forerun
