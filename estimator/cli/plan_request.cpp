#include "estimator/cli/plan_request.hpp"

#include <algorithm>

#include "estimator/cli/job_estimate.hpp"
#include "estimator/cli/job_options.hpp"
#include "estimator/estimate/host_costs.hpp"
#include "estimator/plan/launch_flags.hpp"
#include "jobs/read_model.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

template <class Value>
std::vector<Value> pinned(const std::optional<Value>& value) {
  return value ? std::vector<Value>{*value} : std::vector<Value>();
}

PlanChoices choices_from(const Options& options) {
  PlanChoices choices;
  choices.layouts = options.layout;
  choices.micro_batches = pinned(options.micro_batch);
  choices.schedules = pinned(options.schedule);
  const bool tunes = options.tuning.value_or(Tuning::full) != Tuning::full;
  if (options.emit && tunes && !has_adapters(*options.emit)) {
    throw InputError("--emit",
                     "finds no adapters in the settings of that framework (expected --emit nemo, "
                     "--tuning full, or --emit left out)");
  }
  if (options.emit && !options.schedule) {
    // Settings are of use for what the framework can run.
    choices.schedules = schedules_of(*options.emit);
  }
  choices.sequence_parallel = pinned(options.sequence_parallel);
  choices.recompute = pinned(options.recompute);
  choices.recomputes_by_stage = !options.emit;  // no framework has a setting for it
  choices.overlaps = pinned(options.overlap);
  if (options.launch_blocking.value_or(false)) {
    choices.overlaps = {Overlap::off};
  }
  choices.tries_stage_splits = options.tries_stage_splits;
  choices.offloads = options.offload_set;
  if (options.zero || options.shard_group) {
    choices.shardings = {
        {options.zero.value_or(ZeroStage::parameters), options.shard_group.value_or(0)}};
  }
  return choices;
}

}  // namespace

PlanRequest plan_request_from(const Options& options) {
  PlanRequest request;
  request.model = model_named(options.models.front(), options);
  if (options.teacher) {
    request.teacher = read_model(*options.teacher, "--teacher");
  }
  request.hardware = read_hardware(*options.cluster);
  if (options.what_if != WhatIf()) {
    change_hardware(request.hardware, options.what_if);
  }
  set_price(request.hardware, options);
  const bool is_gpu = request.hardware.cluster.device.is_gpu();
  const JobDefaults defaults = job_defaults(is_gpu ? DeviceKind::cuda : DeviceKind::host);
  request.recipe = recipe_from(options);
  if (!options.software && is_gpu) {
    request.recipe.software = usual_software(request.recipe.tuning != Tuning::full);
  }
  request.recipe.software.waits_for_kernels = waits_for_kernels(options, request.hardware);
  request.host = host_cost_of(request.recipe.software, calibrated_host_costs());
  if (!options.precision) {
    request.recipe.precision = defaults.precisions.front();
  }
  if (!options.sequence) {
    request.recipe.sequence = std::min(request.model.max_positions, defaults.longest_sequence);
  }
  request.devices = options.device_set;
  if (request.devices.empty() && request.hardware.profile) {
    request.devices = {request.hardware.profile->ranks};
  }
  if (request.devices.empty()) {
    throw InputError("--devices", "is missing (expected one like 1024, or a set: 1024..16384)");
  }
  request.batches = options.batch_set;
  if (request.batches.empty()) {
    throw InputError("--batch", "is missing (expected one like 2048, or a set: 1024..4096)");
  }
  request.choices = choices_from(options);
  request.choices.whole_heads = options.emit.has_value();
  if (options.emit && request.choices.shardings.empty()) {
    request.choices.shardings =
        shardings_of(*options.emit, request.hardware.cluster.devices_per_node);
  }
  request.objective = options.objective;
  request.second = options.second_objective;
  request.top = static_cast<std::size_t>(options.top);
  request.deadline = options.deadline;
  request.max_cost = options.max_cost;
  request.run = options.run;
  request.strictness = options.strict ? Strictness::interpolated_or_better : Strictness::any_tier;
  request.rank_order = options.rank_order;
  return request;
}

}  // namespace forerun
