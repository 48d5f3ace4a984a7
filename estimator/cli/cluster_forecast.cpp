#include "estimator/cli/cluster_forecast.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "comm/serial/serial_communicator.hpp"
#include "estimator/cli/job_estimate.hpp"
#include "estimator/cli/job_options.hpp"
#include "estimator/cli/plan_request.hpp"
#include "estimator/estimate/estimate.hpp"
#include "estimator/forecast/forecast.hpp"
#include "jobs/parameter_count.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

JobEstimate planned(const Options& options, std::int64_t devices) {
  Options asked = options;
  asked.device_set = {devices};
  asked.batch_set = {options.batch.value_or(devices)};
  SerialCommunicator alone;
  Plan plan = make_plan(plan_request_from(asked), alone);
  if (plan.layouts.empty()) {
    throw InputError("--devices",
                     fmt::format("no layout of {} on {} devices is feasible: {}",
                                 options.models.front(),
                                 devices,
                                 plan.infeasible_because.value_or("nothing fits")));
  }
  return std::move(plan.layouts.front().estimate);
}

// The layout that the user names; the best for the model that the user names; or the fastest of
// those that were measured, their dp grown to fill the devices.
JobEstimate best_measured(const Options& options,
                          const HardwareSource& hardware,
                          std::int64_t devices) {
  const JobDefaults defaults = job_defaults(device_kind_of(hardware));
  if (!options.models.empty()) {
    return options.layout ? estimate_from(options, hardware, job_from(options, devices, defaults))
                          : planned(options, devices);
  }
  if (!hardware.profile || hardware.profile->jobs.empty()) {
    throw InputError("--model", "is missing: " + hardware.cluster.name + " names no measured job");
  }
  std::optional<JobEstimate> best;
  for (const MeasuredJob& measured : hardware.profile->jobs) {
    Options one = options;
    one.models = {measured.model};
    const auto data = measured.layout.find("dp=");
    one.layout = data == std::string::npos ? measured.layout : measured.layout.substr(0, data);
    while (one.layout->ends_with(',')) {
      one.layout->pop_back();
    }
    if (one.layout->empty()) {
      one.layout.reset();
    }
    one.precision = precision_from(measured.precision);
    one.micro_batch = measured.micro_batch;
    one.sequence = measured.sequence;
    JobEstimate estimate = estimate_from(one, hardware, job_from(one, devices, defaults));
    const auto rate = [](const JobEstimate& e) { return e.step.model_flops / e.step_time; };
    if (!best || rate(estimate) > rate(*best)) {
      best = std::move(estimate);
    }
  }
  return *best;
}

ServingPrecision serving_precision_of(Precision precision) {
  return serving_precision_from(name_of(precision)).value_or(ServingPrecision::bf16);
}

// The same model on the same devices, served as `capacity` finds best without limits of latency.
void add_decode(const Options& options,
                const HardwareSource& hardware,
                const JobEstimate& estimate,
                MeasuredInputs& inputs) {
  const Job& job = estimate.request.job;
  CapacityRequest request;
  request.devices = estimate.devices;
  request.model = job.model;
  const ServingPrecision weights = serving_precision_of(job.recipe.precision);
  request.format = {weights, default_cache(weights)};
  const HardwareSource sized = sized_for(hardware, estimate.devices);
  const Strictness strictness =
      options.strict ? Strictness::interpolated_or_better : Strictness::any_tier;
  try {
    const Capacity capacity = serve(request, sized.cluster, prices_of_slowest(sized, strictness));
    const PassTime& time = capacity.decode.point.time;
    if (capacity.infeasible_because || capacity.tokens_per_s <= 0.0) {
      inputs.no_decode_because =
          "no way to serve is feasible: " + capacity.infeasible_because.value_or("no tokens");
      return;
    }
    inputs.decode = {capacity.tokens_per_s,
                     text_of(capacity.decode.point.layout),
                     capacity.decode.point.batch,
                     request.workload.input_tokens,
                     request.workload.output_tokens,
                     time.tiers.at(static_cast<std::size_t>(Tier::measured)) / time.total()};
  } catch (const InputError& error) {
    inputs.no_decode_because = error.what();
  }
}

}  // namespace

nlohmann::ordered_json forecast_on_cluster(const Options& options) {
  const HardwareSource hardware = hardware_from(options);
  if (!options.training_time) {
    throw InputError("--days", "is missing: how long do the devices train?");
  }
  const JobEstimate estimate = best_measured(options, hardware, devices_from(options, hardware));
  const Job& job = estimate.request.job;
  const Recipe& recipe = job.recipe;
  MeasuredInputs inputs;
  inputs.model = job.model.name;
  inputs.active_parameters = static_cast<double>(count_parameters(job.model).active);
  inputs.training_flop_per_token = model_flops_per_token(job.model, recipe.sequence);
  inputs.tokens_per_second = static_cast<double>(recipe.global_batch * recipe.sequence) /
                             estimate.step_time.in(unit::second);
  inputs.devices = estimate.devices;
  inputs.peak_per_device = estimate.peak.value_or(FlopsPerSecond());
  inputs.mfu = estimate.step.model_flops / estimate.step_time /
               static_cast<double>(estimate.devices) / inputs.peak_per_device;
  inputs.layout = text_of(job.layout);
  inputs.duration = *options.training_time;
  const auto& share = estimate.step.provenance.share;
  inputs.measured_fraction = std::min(1.0, share[static_cast<std::size_t>(Tier::measured)]);
  inputs.scenario.scenario = options.scenario;
  inputs.scenario.year = options.year.value_or(2030.0);
  inputs.scenario.seed = options.seed;
  add_decode(options, hardware, estimate, inputs);
  nlohmann::ordered_json document = forecast_measured(inputs);
  if (estimate.infeasible_because) {
    document["notes"].push_back("The layout is not feasible: " + *estimate.infeasible_because);
  }
  document["estimate"] = to_json(estimate);
  return document;
}

}  // namespace forerun
