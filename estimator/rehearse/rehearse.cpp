#include "estimator/rehearse/rehearse.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <ostream>
#include <sstream>

#include <fmt/format.h>

#include "estimator/measure/statistics.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr std::array parts{&StepMeasurement::total,
                           &StepMeasurement::compute,
                           &StepMeasurement::recompute,
                           &StepMeasurement::tensor_parallel,
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
  Job whole = job;
  whole.layout = {};
  whole.recipe.schedule.reset();
  return total_of(stage_memory(whole, stage_work(whole, {1}, 0), host_overheads()));
}

class Rehearsal {
 public:
  Rehearsal(const RehearseOptions& options, const Machine& machine, std::ostream& progress)
      : options_(options), machine_(machine), progress_(progress) {}

  RehearsedRun run(const PredictedRun& predicted) {
    RehearsedRun result;
    result.predicted = predicted;
    const Job& job = predicted.job;
    GridCommunicators groups(machine_.data_world, job.layout);
    const auto hosts = machine_.host_world.all_gather_text(discover_node().host);
    Executor executor(job, {ranks_per_node(hosts)}, machine_.device, groups);
    check_equality(job, executor, result);
    executor.initialise(options_.seed);
    measure_steps(executor, groups, result);
    measure_memory(executor, result);
    return result;
  }

 private:
  void say(const std::string& line) const {
    if (machine_.host_world.rank() == 0) {
      progress_ << line << std::flush;
    }
  }

  void check_equality(const Job& job, Executor& executor, RehearsedRun& result) {
    const Bytes needed = reference_memory(job);
    const Bytes available = machine_.device.report().memory;
    if (needed > 0.5 * available) {
      result.equality_note = "not checked: the one-rank step needs " + text_of(needed) +
                             ", more than half of this device's " + text_of(available);
      return;
    }
    say(fmt::format(
        "rehearse {} {}: one-rank step for comparison\n", job.model.name, text_of(job.layout)));
    if (!reference_ || reference_key_ != key_of(job)) {
      reference_ = reference_step(job, machine_.device, options_.seed);
      reference_key_ = key_of(job);
    }
    result.equality = compare_with(*reference_, job, executor, machine_.host_world, options_.seed);
    say(fmt::format("rehearse {} {}: loss {:.6f}, one rank {:.6f}; worst gradient {} {:.1e}: {}\n",
                    job.model.name,
                    text_of(job.layout),
                    result.equality->first_loss,
                    result.equality->reference_first_loss,
                    result.equality->worst_tensor,
                    result.equality->worst_gradient_error,
                    result.equality->equal ? "equal" : "NOT EQUAL"));
  }

  // Jobs that differ in layout only share their one-rank step.
  static std::string key_of(const Job& job) {
    return fmt::format("{} {} {} {} {} {}",
                       job.model.name,
                       job.recipe.global_batch,
                       job.recipe.micro_batch,
                       job.recipe.sequence,
                       name_of(job.recipe.precision),
                       name_of(job.recipe.recompute));
  }

  void measure_steps(Executor& executor, GridCommunicators& groups, RehearsedRun& result) {
    std::vector<StepMeasurement> steps;
    for (std::int64_t step = 0; step <= options_.steps; ++step) {
      machine_.host_world.barrier();
      const StepMeasurement measured = executor.run_step(step);
      if (step == 0) {
        continue;  // Warms caches, page tables and the libraries' own buffers.
      }
      steps.push_back(measured);
      const auto totals = gather(machine_.host_world, {measured.total.in(unit::second)});
      result.steps.push_back(std::ranges::max(totals).front() * unit::second);
      say(fmt::format("rehearse {} {}: step {}/{} {}\n",
                      result.predicted.job.model.name,
                      text_of(result.predicted.job.layout),
                      step,
                      options_.steps,
                      text_of(result.steps.back())));
    }
    result.measured = timing_of(result.steps).median;
    const StepMeasurement median = median_of(steps);
    std::vector<double> mine{static_cast<double>(groups.here().pipeline)};
    for (const auto part : parts) {
      mine.push_back((median.*part).in(unit::second));
    }
    // The slowest rank of the stage that the estimate took its parts from.
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

  void measure_memory(const Executor& executor, RehearsedRun& result) {
    for (const StageMemory& stage : result.predicted.estimate.memory) {
      result.predicted_memory = std::max(result.predicted_memory,
                                         stage.weights + stage.gradients + stage.optimizer_states +
                                             stage.activations + stage.transient);
    }
    const auto peaks = gather(machine_.host_world, {executor.store().peak_memory().in(unit::byte)});
    result.measured_memory = std::ranges::max(peaks).front() * unit::byte;
  }

  const RehearseOptions& options_;
  const Machine& machine_;
  std::ostream& progress_;
  std::optional<ReferenceStep> reference_;
  std::string reference_key_;
};

}  // namespace

std::vector<RehearsedRun> rehearse(const std::vector<PredictedRun>& runs,
                                   const RehearseOptions& options,
                                   const Machine& machine,
                                   std::ostream& progress) {
  Rehearsal rehearsal(options, machine, progress);
  std::vector<RehearsedRun> results;
  results.reserve(runs.size());
  for (const PredictedRun& run : runs) {
    results.push_back(rehearsal.run(run));
  }
  return results;
}

}  // namespace forerun
