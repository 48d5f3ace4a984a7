#include "estimator/validate/predict_row.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "estimator/validate/blanks.hpp"
#include "estimator/validate/memory_comparison.hpp"
#include "estimator/validate/price_memory.hpp"
#include "estimator/validate/published_time.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Micro-batches that published runs use, in sequences.
std::vector<std::int64_t> micro_batches_to_try(const RowJob& row) {
  if (!row.open_micro_batch) {
    return {row.job.recipe.micro_batch};
  }
  std::vector<std::int64_t> sizes;
  const std::int64_t most = row.job.recipe.global_batch / row.job.layout.data;
  for (const std::int64_t size : {1, 2, 3, 4, 6, 8, 12, 16, 32}) {
    if (size <= most && most % size == 0) {
      sizes.push_back(size);
    }
  }
  return sizes.empty() ? std::vector<std::int64_t>{1} : sizes;
}

std::vector<std::int64_t> chunks_to_try(const RowJob& row) {
  if (!row.open_virtual_pipeline) {
    return {row.job.layout.virtual_pipeline};
  }
  std::vector<std::int64_t> chunks;
  const std::int64_t layers = row.job.model.layers;
  for (std::int64_t count = 1; count * row.job.layout.pipeline <= layers; ++count) {
    if (count == 1 || layers % (count * row.job.layout.pipeline) == 0) {
      chunks.push_back(count);
    }
  }
  return chunks;
}

// As few recomputed layers as fit, in steps of an eighth of a chunk's.
std::vector<RecomputePolicy> recomputation_to_try(const RowJob& row) {
  if (!row.open_recompute && !row.recomputes_to_run) {
    return {row.job.recipe.recompute};
  }
  std::vector<RecomputePolicy> policies{{}};
  const std::int64_t layers =
      row.job.model.layers / (row.job.layout.pipeline * row.job.layout.virtual_pipeline);
  std::int64_t before = 0;
  for (std::int64_t eighth = 1; eighth < 8; ++eighth) {
    if (const std::int64_t count = layers * eighth / 8; count > before) {
      policies.push_back({Recompute::block, {}, count});
      before = count;
    }
  }
  policies.push_back({Recompute::full, {}, 0});
  return policies;
}

// Of 137 measured peaks the estimate passes one in twenty by more (`validate`'s memory): what it
// says of a run that took place may be as much too high.
constexpr double memory_error = 1.38;

bool could_have_run(const JobEstimate& estimate) {
  return estimate.memory_peak <= memory_error * estimate.request.hardware.cluster.device.memory;
}

bool is_better(const JobEstimate& one, const JobEstimate& other) {
  const bool fits = !one.infeasible_because;
  const bool other_fits = !other.infeasible_because;
  return fits != other_fits ? fits : one.step_time < other.step_time;
}

std::string kind_of(const ParallelLayout& layout) {
  std::string kind;
  const auto add = [&](std::int64_t degree, const char* name) {
    if (degree > 1) {
      kind += (kind.empty() ? "" : "+") + std::string(name);
    }
  };
  add(layout.tensor, "tp");
  add(layout.pipeline, "pp");
  add(layout.context, "cp");
  add(layout.expert, "ep");
  add(layout.data, "dp");
  return kind.empty() ? "one device" : kind;
}

// What a row is that is no step: a whole run.
std::string not_a_step(const Cells& cells) {
  const std::string task = text_in(cells, "task");
  if (task.starts_with("whole run")) {
    return "task '" + task + "' is no single step";
  }
  return {};
}

Seconds covered(const RowJob& row, const JobEstimate& estimate) {
  return row.covers == Covers::step ? estimate.step_time
                                    : estimate.step_time - estimate.step.breakdown.optimizer;
}

}  // namespace

const RowPredictor::Hardware& RowPredictor::hardware_for(const RowJob& row, const Cells& cells) {
  const auto found = hardware_.find(row.hardware_key);
  if (found != hardware_.end()) {
    return found->second;
  }
  Hardware hardware{hardware_of_row(cells), {}};
  hardware.prices = remembering(prices_of(hardware.source, Strictness::any_tier));
  return hardware_.emplace(row.hardware_key, std::move(hardware)).first->second;
}

JobEstimate RowPredictor::estimate(const RowJob& row, const Hardware& hardware, HostCost host) {
  EstimateRequest request;
  request.job = row.job;
  request.hardware = sized_for(hardware.source, world_size(row.job.layout));
  request.overlap = row.overlap.value_or(default_overlap(hardware.source));
  request.host = host;
  return estimate_job(request, hardware.prices);
}

JobEstimate RowPredictor::best_estimate(RowJob& row, const Hardware& hardware) const {
  const std::vector<RecomputePolicy> policies = recomputation_to_try(row);
  if (!row.recomputes_to_run) {
    return best_of(policies, row, hardware);
  }
  const RowJob open = row;
  JobEstimate none = best_of({policies.front()}, row, hardware);
  if (could_have_run(none)) {
    return none;
  }
  for (const RecomputePolicy& policy : std::span(policies).subspan(1)) {
    RowJob tried = open;
    JobEstimate one = best_of({policy}, tried, hardware);
    if (could_have_run(one)) {
      row = tried;
      return one;
    }
  }
  return none;
}

JobEstimate RowPredictor::best_of(const std::vector<RecomputePolicy>& policies,
                                  RowJob& row,
                                  const Hardware& hardware) const {
  std::optional<JobEstimate> best;
  std::optional<InputError> refusal;
  const HostCost host = host_cost_of(row.job.recipe.software, host_costs_);
  const auto try_one = [&] {
    try {
      JobEstimate one = estimate(row, hardware, host);
      if (!best || is_better(one, *best)) {
        best = std::move(one);
      }
    } catch (const InputError& error) {
      refusal = refusal ? refusal : std::optional(error);
    }
  };
  for (const std::int64_t micro_batch : micro_batches_to_try(row)) {
    for (const std::int64_t chunks : chunks_to_try(row)) {
      for (const RecomputePolicy& policy : policies) {
        row.job.recipe.micro_batch = micro_batch;
        row.job.layout.virtual_pipeline = chunks;
        row.job.recipe.recompute = policy;
        try_one();
      }
    }
  }
  if (!best) {
    throw InputError(*refusal);
  }
  row.job = best->request.job;
  return *std::move(best);
}

void RowPredictor::price(const TrainingRow& row, const Cells& cells, RowPrediction& result) {
  RowJob job = job_of_row(cells);
  result.facts.software = std::string(job.job.recipe.software.preset);
  ValidationRow& line = result.row;
  std::ranges::copy(job.assumed, std::back_inserter(line.assumed));
  line.groups.push_back("parallel: " + kind_of(job.job.layout));
  line.layout = text_of(job.job.layout);
  const Hardware& hardware = hardware_for(job, cells);
  const auto published = published_time(
      row.results, text_in(cells, "flops_convention"), job.job, hardware.source.cluster.device);
  if (published) {
    line.published = published->time;
    line.published_from = published->from;
  }
  if (const std::string reason = not_a_step(cells); !reason.empty()) {
    throw InputError(reason);
  }
  const JobEstimate estimate = best_estimate(job, hardware);
  line.layout = text_of(job.job.layout);
  line.memory = compare_memory(row, cells, estimate);
  line.predicted = covered(job, estimate);
  line.band = estimate.band;
  result.facts.job_class = estimate.job_class;
  result.facts.own_error = estimate.step.provenance.relative_error;
  result.facts.features = features_of(estimate);
  result.facts.breakdown = estimate.step.breakdown;
  result.facts.is_feasible = !estimate.infeasible_because;
  result.facts.host_per_launch = estimate.request.host.per_launch;
  result.facts.is_host_assumed = estimate.request.host.is_assumed;
  line.predicted_without_host = line.predicted;
  if (estimate.request.host.per_launch > Seconds()) {
    line.predicted_without_host = covered(job, RowPredictor::estimate(job, hardware, HostCost{}));
  }
  if (!published) {
    line.skip_reason = line.memory->ran_out || line.memory->published
                           ? "no step time is published; compared by memory"
                           : "no step time is published, nor a rate of a known convention";
  }
}

RowPrediction RowPredictor::predict(const TrainingRow& row) {
  RowPrediction result;
  ValidationRow& line = result.row;
  line.id = row.id;
  line.groups = {"source: " + row.source};
  result.facts.source = row.source;
  if (const std::string device = text_in(row.configuration, "gpu_family"); !device.empty()) {
    line.groups.push_back("device: " + device);
  }
  try {
    Cells cells = row.configuration;
    for (const Assumption& assumption : BlankTable::committed().fill(cells)) {
      line.assumed.push_back(assumption.column);
    }
    result.facts.set = text_in(cells, "set");
    if (!result.facts.set.empty()) {
      line.groups.push_back("set: " + result.facts.set);
    }
    price(row, cells, result);
  } catch (const InputError& error) {
    line.predicted.reset();
    line.memory.reset();
    line.skip_reason = error.what();
  }
  return result;
}

}  // namespace forerun
