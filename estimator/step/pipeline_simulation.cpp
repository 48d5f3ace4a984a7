#include "estimator/step/pipeline_simulation.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "units/multiversion.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Jobs that run side by side in the vector units: one AVX-512 register, two of AVX2.
constexpr std::size_t lanes = 8;

double seconds(Seconds time) {
  return time.in(unit::second);
}

// The loops know a table of numbers by [index * Width + lane].
struct Tables {
  const double* durations;
  const double* messages;
  double* outputs;
  double* stages;
  double* channels;
};

// Written once, for one job and for a register full of them. A blocking receiver takes the message
// itself; an overlapped one finds it arrived, after those that left by the same channel before.
template <std::size_t Width, Exchange Mode>
FORERUN_INLINE void run_steps(const PipelineStep* steps, std::size_t count, const Tables& at) {
  for (std::size_t i = 0; i < count; ++i) {
    const PipelineStep step = steps[i];
    const double* const input = at.outputs + step.input * Width;
    const double* const duration = at.durations + step.duration * Width;
    double* const stage = at.stages + step.stage * Width;
    // All is read before anything is written: the compiler need not fear that the tables overlap.
    std::array<double, Width> end{};
    std::array<double, Width> arrival{};
    if constexpr (Mode == Exchange::blocking) {
      const double* const received = at.messages + step.in_channel * Width;
      for (std::size_t lane = 0; lane < Width; ++lane) {
        end[lane] = std::max(stage[lane], input[lane]) + received[lane] + duration[lane];
        arrival[lane] = end[lane];
      }
    } else {
      const double* const sent = at.messages + step.out_channel * Width;
      const double* const channel = at.channels + step.out_channel * Width;
      for (std::size_t lane = 0; lane < Width; ++lane) {
        end[lane] = std::max(stage[lane], input[lane]) + duration[lane];
        arrival[lane] = std::max(end[lane], channel[lane]) + sent[lane];
      }
      std::copy_n(arrival.data(), Width, at.channels + step.out_channel * Width);
    }
    std::copy_n(end.data(), Width, stage);
    std::copy_n(arrival.data(), Width, at.outputs + (i + 1) * Width);
  }
}

FORERUN_MULTIVERSION void run_blocking(const PipelineStep* steps,
                                       std::size_t count,
                                       const Tables& at) {
  run_steps<lanes, Exchange::blocking>(steps, count, at);
}

FORERUN_MULTIVERSION void run_overlapped(const PipelineStep* steps,
                                         std::size_t count,
                                         const Tables& at) {
  run_steps<lanes, Exchange::overlapped>(steps, count, at);
}

void check(const PipelineShape& shape, const PipelineCosts& costs) {
  const bool fits = std::ssize(costs.passes) == shape.stages * shape.chunks &&
                    (costs.messages.empty() || std::ssize(costs.messages) == shape.stages);
  if (!fits) {
    throw std::logic_error("pipeline costs do not match the shape of the pipeline");
  }
}

// Resets the tables for `width` jobs.
void prepare(const PipelineProgram& program, std::size_t width, PipelineScratch& scratch) {
  const auto stages = static_cast<std::size_t>(program.shape.stages);
  scratch.durations.assign(program.count.size() * width, 0.0);
  scratch.messages.assign(3 * stages * width, 0.0);
  scratch.stages.assign(stages * width, 0.0);
  scratch.channels.assign(3 * stages * width, 0.0);
  // Every other slot is written before it is read: growing back would only clear it for nothing.
  const std::size_t slots = (program.steps.size() + 1) * width;
  scratch.outputs.resize(std::max(scratch.outputs.size(), slots));
  std::fill_n(scratch.outputs.begin(), width, 0.0);
}

// Writes the costs of a job into lane `lane` of `width`, as far as the program uses them.
void load(const PipelineProgram& program,
          const PipelineCosts& costs,
          std::size_t lane,
          std::size_t width,
          PipelineScratch& scratch) {
  const PipelineShape& shape = program.shape;
  check(shape, costs);
  const auto v = static_cast<std::size_t>(shape.chunks);
  const std::size_t seats = costs.passes.size();
  const auto pairs = static_cast<std::size_t>(pairs_of_chunk(shape));
  for (std::size_t seat = 0; seat < seats; ++seat) {
    for (const Pass pass :
         {Pass::forward, Pass::backward, Pass::backward_input, Pass::backward_weight}) {
      const std::size_t index = 4 * seat + static_cast<std::size_t>(pass);
      if (program.count[index] > 0) {
        scratch.durations[index * width + lane] = seconds(duration_of(costs.passes[seat], pass));
      }
    }
    for (std::size_t other = 0; other < pairs; ++other) {
      const std::size_t index = 4 * seats + seat * pairs + other;
      scratch.durations[index * width + lane] =
          seconds(pair_duration(costs.passes[seat], costs.passes[seat / v * v + other]));
    }
  }
  for (std::size_t r = 0; r < costs.messages.size(); ++r) {
    const double message = seconds(costs.messages[r]);
    const auto from = static_cast<std::int64_t>(r);
    const std::int64_t to = (from + 1) % shape.stages;
    scratch.messages[channel_of(from, Direction::next) * width + lane] = message;
    scratch.messages[channel_of(to, Direction::previous) * width + lane] = message;
  }
}

StageTimes times_of(const PipelineProgram& program,
                    std::size_t stage,
                    Exchange exchange,
                    std::size_t lane,
                    const PipelineScratch& scratch) {
  const std::size_t width = scratch.stages.size() / static_cast<std::size_t>(program.shape.stages);
  const PipelineStep& first = program.steps[program.first_step[stage]];
  double start = scratch.outputs[first.input * width + lane];
  if (exchange == Exchange::blocking) {
    start += scratch.messages[first.in_channel * width + lane];
  }
  const auto v = static_cast<std::size_t>(program.shape.chunks);
  const std::size_t seats = static_cast<std::size_t>(program.shape.stages) * v;
  double busy = 0.0;
  const auto add = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      busy += static_cast<double>(program.count[i]) * scratch.durations[i * width + lane];
    }
  };
  add(4 * stage * v, 4 * (stage + 1) * v);
  const std::size_t pairs = v * static_cast<std::size_t>(pairs_of_chunk(program.shape));
  add(4 * seats + stage * pairs, 4 * seats + (stage + 1) * pairs);
  return {start * unit::second,
          scratch.stages[stage * width + lane] * unit::second,
          busy * unit::second};
}

Tables tables_of(PipelineScratch& scratch) {
  return {scratch.durations.data(),
          scratch.messages.data(),
          scratch.outputs.data(),
          scratch.stages.data(),
          scratch.channels.data()};
}

void add_times(const PipelineProgram& program,
               Exchange exchange,
               std::size_t jobs,
               PipelineScratch& scratch) {
  const auto stages = static_cast<std::size_t>(program.shape.stages);
  for (std::size_t lane = 0; lane < jobs; ++lane) {
    for (std::size_t stage = 0; stage < stages; ++stage) {
      scratch.times.push_back(times_of(program, stage, exchange, lane, scratch));
    }
  }
}

}  // namespace

Seconds duration_of(const PassCosts& costs, Pass pass) {
  switch (pass) {
    case Pass::forward:
      return costs.forward;
    case Pass::backward:
      return costs.recompute + costs.backward_input + costs.backward_weight;
    case Pass::backward_input:
      return costs.recompute + costs.backward_input;
    case Pass::backward_weight:
      return costs.backward_weight;
  }
  return {};
}

Seconds pair_duration(const PassCosts& forward, const PassCosts& backward) {
  const Seconds whole = duration_of(backward, Pass::backward);
  const Seconds forward_computes = forward.forward - forward.forward_exchange;
  const Seconds backward_computes = whole - backward.backward_exchange;
  const Seconds overlapped = forward.forward + whole -
                             std::min(forward.forward_exchange, backward_computes) -
                             std::min(backward.backward_exchange, forward_computes);
  return std::max(overlapped, forward.forward_wire + backward.backward_wire);
}

std::span<const StageTimes> simulate_pipeline(const PipelineProgram& program,
                                              const PipelineCosts& costs,
                                              PipelineScratch& scratch) {
  prepare(program, 1, scratch);
  load(program, costs, 0, 1, scratch);
  const Tables at = tables_of(scratch);
  if (costs.exchange == Exchange::blocking) {
    run_steps<1, Exchange::blocking>(program.steps.data(), program.steps.size(), at);
  } else {
    run_steps<1, Exchange::overlapped>(program.steps.data(), program.steps.size(), at);
  }
  scratch.times.clear();
  add_times(program, costs.exchange, 1, scratch);
  return scratch.times;
}

std::span<const StageTimes> simulate_pipelines(const PipelineProgram& program,
                                               std::span<const PipelineCosts> jobs,
                                               PipelineScratch& scratch) {
  scratch.times.clear();
  for (std::size_t first = 0; first < jobs.size(); first += lanes) {
    const std::size_t count = std::min(lanes, jobs.size() - first);
    const Exchange exchange = jobs.front().exchange;
    prepare(program, lanes, scratch);
    for (std::size_t lane = 0; lane < count; ++lane) {
      if (jobs[first + lane].exchange != exchange) {
        throw std::logic_error("pipelines simulated together must exchange alike");
      }
      load(program, jobs[first + lane], lane, lanes, scratch);
    }
    const Tables at = tables_of(scratch);
    if (exchange == Exchange::blocking) {
      run_blocking(program.steps.data(), program.steps.size(), at);
    } else {
      run_overlapped(program.steps.data(), program.steps.size(), at);
    }
    add_times(program, exchange, count, scratch);
  }
  return scratch.times;
}

std::vector<StageTimes> simulate_pipeline(Schedule schedule,
                                          const PipelineShape& shape,
                                          const PipelineCosts& costs) {
  PipelineScratch scratch;
  const auto times = simulate_pipeline(pipeline_program(schedule, shape), costs, scratch);
  return {times.begin(), times.end()};
}

Seconds makespan_of(std::span<const StageTimes> stages) {
  Seconds last;
  for (const StageTimes& stage : stages) {
    last = std::max(last, stage.end);
  }
  return last;
}

Seconds longest_span_of(std::span<const StageTimes> stages) {
  Seconds longest;
  for (const StageTimes& stage : stages) {
    longest = std::max(longest, stage.end - stage.start);
  }
  return longest;
}

}  // namespace forerun
