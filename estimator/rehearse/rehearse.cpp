#include "estimator/rehearse/rehearse.hpp"

#include <algorithm>
#include <array>
#include <ostream>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "estimator/measure/statistics.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr std::array parts{&StepMeasurement::total,
                           &StepMeasurement::forward,
                           &StepMeasurement::backward,
                           &StepMeasurement::recompute,
                           &StepMeasurement::tensor_parallel,
                           &StepMeasurement::context_parallel,
                           &StepMeasurement::expert_parallel,
                           &StepMeasurement::pipeline_wait,
                           &StepMeasurement::data_parallel,
                           &StepMeasurement::optimizer,
                           &StepMeasurement::host};

StepMeasurement median_of(const std::vector<StepMeasurement>& steps) {
  StepMeasurement median;
  for (const auto part : parts) {
    std::vector<Seconds> values;
    values.reserve(steps.size());
    for (const StepMeasurement& step : steps) {
      values.push_back(step.*part);
    }
    median.*part = timing_of(std::move(values)).median;
  }
  return median;
}

// One line of numbers from every rank.
std::vector<std::vector<double>> gather(Communicator& world, const std::vector<double>& mine) {
  std::vector<std::vector<double>> rows;
  for (const std::string& text : world.all_gather_text(fmt::format("{}", fmt::join(mine, " ")))) {
    std::istringstream stream(text);
    std::vector<double> row;
    for (std::string number; stream >> number;) {
      row.push_back(std::stod(number));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// Weights and state of the whole model on one rank, and one micro-batch beside them.
Bytes reference_memory(const Job& job) {
  const Job whole = unsplit(job);
  return total_of(stage_memory(whole, stage_work(whole, {1}, 0), host_overheads()));
}

// Jobs that differ in layout only share their one-rank step.
std::string key_of(const Job& job) {
  return fmt::format("{} {} {} {} {} {} {} {}",
                     job.model.name,
                     job.model.layers,
                     job.recipe.global_batch,
                     job.recipe.micro_batch,
                     job.recipe.sequence,
                     name_of(job.recipe.precision),
                     text_of(job.recipe.recompute),
                     text_of(job.recipe.expert_load));
}

}  // namespace

Bytes predicted_memory_of(const StepEstimate& estimate) {
  Bytes most;
  for (const StageMemory& stage : estimate.memory) {
    most = std::max(most,
                    stage.weights + stage.gradients + stage.optimizer_states + stage.activations +
                        stage.transient);
  }
  return most;
}

void Rehearsal::say(const std::string& line) const {
  if (machine_.host_world.rank() == 0) {
    progress_ << line << std::flush;
  }
}

RehearsedRun Rehearsal::run(const PredictedRun& predicted) {
  try {
    return run_all(predicted);
  } catch (const OutOfMemory& error) {
    const Job& job = predicted.job;
    throw std::runtime_error(
        fmt::format("rank {} on {}: {} during {} {}; the estimate says {} for the largest stage",
                    machine_.host_world.rank(),
                    discover_node().host,
                    error.what(),
                    job.model.name,
                    text_of(job.layout),
                    text_of(predicted_memory_of(predicted.estimate))));
  }
}

RehearsedRun Rehearsal::run_all(const PredictedRun& predicted) {
  RehearsedRun result;
  result.predicted = predicted;
  const Job& job = predicted.job;
  GridCommunicators groups(
      machine_.data_world, job.layout, options_.rank_order, experts_of(job.model));
  const auto hosts = machine_.host_world.all_gather_text(discover_node().host);
  Executor executor(job,
                    {ranks_per_node(hosts), options_.rank_order},
                    machine_.device,
                    groups,
                    {.memory = machine_.device.report().memory,
                     .overlap = options_.overlap,
                     .choice = ExpertChoice::stated});
  executor.tell(machine_.watch);
  check_equality(job, executor, result);
  executor.initialise(options_.seed);
  measure_steps(executor, groups, result);
  measure_experts(executor, result);
  measure_memory(executor, result);
  return result;
}

void Rehearsal::check_equality(const Job& job, Executor& executor, RehearsedRun& result) {
  const std::string name = fmt::format("rehearse {} {}", job.model.name, text_of(job.layout));
  const Bytes needed = reference_memory(job);
  const Bytes available = machine_.device.report().memory;
  if (needed > 0.5 * available) {
    result.equality_note = "not checked: the one-rank step needs " + text_of(needed) +
                           ", more than half of this device's " + text_of(available);
    return;
  }
  if (!reference_ || reference_key_ != key_of(job)) {
    say(name + ": one-rank step for comparison\n");
    reference_ = reference_step(job, machine_.device, options_.seed, ExpertChoice::stated);
    reference_key_ = key_of(job);
  }
  result.equality = compare_with(*reference_, job, executor, machine_.host_world, options_.seed);
  say(fmt::format("{}: loss {:.6f}, one rank {:.6f}; worst gradient {} {:.1e}: {}\n",
                  name,
                  result.equality->first_loss,
                  result.equality->reference_first_loss,
                  result.equality->worst_tensor,
                  result.equality->worst_gradient_error,
                  result.equality->equal ? "equal" : "NOT EQUAL"));
}

void Rehearsal::measure_steps(Executor& executor, GridCommunicators& groups, RehearsedRun& result) {
  const Job& job = result.predicted.job;
  std::vector<StepMeasurement> steps;
  for (std::int64_t step = 0; step <= options_.steps; ++step) {
    {
      const Watched watched(machine_.watch, "the start of a step");
      machine_.host_world.barrier();
    }
    const StepMeasurement measured = executor.run_step(step);
    if (step == 0) {
      continue;  // Warms caches, page tables and the libraries' own buffers.
    }
    steps.push_back(measured);
    const Watched watched(machine_.watch, "the end of a step");
    const auto totals = gather(machine_.host_world, {measured.total.in(unit::second)});
    result.steps.push_back(std::ranges::max(totals).front() * unit::second);
    say(fmt::format("rehearse {} {}: step {}/{} {}\n",
                    job.model.name,
                    text_of(job.layout),
                    step,
                    options_.steps,
                    text_of(result.steps.back())));
  }
  result.measured = timing_of(result.steps).median;
  measure_parts(steps, groups, result);
}

// The slowest rank of the stage that the estimate took its parts from.
void Rehearsal::measure_parts(const std::vector<StepMeasurement>& steps,
                              const GridCommunicators& groups,
                              RehearsedRun& result) {
  const StepMeasurement median = median_of(steps);
  std::vector<double> mine{static_cast<double>(groups.here().pipeline)};
  for (const auto part : parts) {
    mine.push_back((median.*part).in(unit::second));
  }
  std::vector<double> slowest;
  for (const auto& row : gather(machine_.host_world, mine)) {
    const bool is_stage =
        static_cast<std::int64_t>(row[0]) == result.predicted.estimate.slowest_stage;
    if (is_stage && (slowest.empty() || row[1] > slowest[1])) {
      slowest = row;
    }
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    result.parts.*parts[i] = slowest[i + 1] * unit::second;
  }
  // A stage that is done early waits for the others, as the estimate counts it.
  result.parts.pipeline_wait += std::max(Seconds(), result.measured - result.parts.total);
}

void Rehearsal::measure_experts(const Executor& executor, RehearsedRun& result) {
  if (result.predicted.job.layout.expert > 1) {
    const auto shares = gather(machine_.host_world, {executor.experts().busiest_share()});
    result.busiest_experts = std::ranges::max(shares).front();
  }
}

void Rehearsal::measure_memory(const Executor& executor, RehearsedRun& result) {
  result.predicted_memory = predicted_memory_of(result.predicted.estimate);
  const auto peaks = gather(machine_.host_world, {executor.store().peak_memory().in(unit::byte)});
  result.measured_memory = std::ranges::max(peaks).front() * unit::byte;
}

}  // namespace forerun
