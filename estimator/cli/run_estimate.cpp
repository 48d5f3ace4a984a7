// The verbs that run alone on the command line: estimate, forecast, show.
#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/cli/emit_future.hpp"
#include "estimator/cli/job_estimate.hpp"
#include "estimator/cli/job_options.hpp"
#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/show.hpp"
#include "estimator/cli/show_comparison.hpp"
#include "estimator/cli/show_topology.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/estimate/estimate.hpp"
#include "estimator/estimate/estimate_table.hpp"
#include "estimator/estimate/trace_json.hpp"
#include "estimator/forecast/forecast.hpp"
#include "estimator/profile/build_info.hpp"
#include "estimator/profile/journal.hpp"
#include "jobs/parameter_count.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// The fastest of the layouts that were measured, their dp grown to fill the devices; or the one
// that the user names.
JobEstimate best_measured(const Options& options,
                          const HardwareSource& hardware,
                          std::int64_t devices) {
  const JobDefaults defaults = job_defaults(device_kind_of(hardware));
  if (!options.models.empty()) {
    return estimate_from(options, hardware, job_from(options, devices, defaults));
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

// The head that every document starts with, then the body.
nlohmann::ordered_json with_head(const nlohmann::ordered_json& body) {
  nlohmann::ordered_json document = document_head();
  document.update(body);
  return document;
}

nlohmann::ordered_json measured_forecast(const Options& options) {
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
  inputs.duration = *options.training_time;
  const auto& share = estimate.step.provenance.share;
  inputs.measured_fraction = std::min(1.0, share[static_cast<std::size_t>(Tier::measured)]);
  inputs.scenario.scenario = options.scenario;
  inputs.scenario.year = options.year.value_or(2030.0);
  inputs.scenario.seed = options.seed;
  nlohmann::ordered_json document = forecast_measured(inputs);
  document["estimate"] = to_json(estimate);
  return document;
}

}  // namespace

ExitCode run_estimate(const Options& options, const OutputStreams& streams) {
  const JobEstimate estimate = estimate_from(options);
  if (options.trace) {
    const auto slices = step_timeline(estimate.step.pipeline);
    write_atomically(*options.trace,
                     trace_json(slices, estimate.step.pipeline.shape).dump() + "\n");
  }
  if (options.verbosity == Verbosity::verbose) {
    const Software& software = estimate.request.job.recipe.software;
    fmt::print(streams.log, "software {}:\n", software.preset);
    for (const auto& [name, value] : switches_of(software)) {
      fmt::print(streams.log, "  {:<28} {}\n", name, value);
    }
  }
  write_result(to_json(estimate), print_estimate, options, streams.out);
  if (estimate.infeasible_because) {
    fmt::print(streams.log, "forerun: infeasible: {}\n", *estimate.infeasible_because);
    return ExitCode::infeasible;
  }
  return ExitCode::answered;
}

ExitCode run_forecast(const Options& options, const OutputStreams& streams) {
  if (options.backtest || options.edge || options.fitted_table) {
    return run_forecast_question(options, streams);
  }
  if (options.cluster) {
    write_result(with_head(measured_forecast(options)), print_forecast, options, streams.out);
    return ExitCode::answered;
  }
  if (!options.year) {
    throw InputError("--year",
                     "is missing (expected one like --year 2030, or --cluster with "
                     "--devices and --days to start from a measurement)");
  }
  const ScenarioOptions scenario{
      options.scenario, *options.year, options.samples, options.seed, options.shows_sensitivity};
  const nlohmann::ordered_json document = with_head(forecast_scenario(scenario));
  emit_future(options, document, streams);
  write_result(document, print_forecast, options, streams.out);
  return ExitCode::answered;
}

ExitCode run_show(const Options& options, const OutputStreams& streams) {
  if (options.topology_of) {
    write_result(topology_document(*options.topology_of), print_topology, options, streams.out);
    return ExitCode::answered;
  }
  if (!options.compared.empty()) {
    const auto document = comparison_document(options.compared, options.tolerance);
    write_result(document, print_comparison, options, streams.out);
    return document["slower"] == 0 ? ExitCode::answered : ExitCode::failed;
  }
  write_result(show(options), print_show, options, streams.out);
  return ExitCode::answered;
}

ExitCode run_verb(const Options& options, const OutputStreams& streams) {
  switch (options.verb) {
    case Verb::measure:
      return run_measure(options, streams);
    case Verb::rehearse:
      return run_rehearse(options, streams);
    case Verb::estimate:
      return run_estimate(options, streams);
    case Verb::plan:
      return run_plan(options, streams);
    case Verb::capacity:
      return run_capacity(options, streams);
    case Verb::forecast:
      return run_forecast(options, streams);
    case Verb::validate:
      return run_validate(options, streams);
    case Verb::report:
      return run_report(options, streams);
    case Verb::show:
      return run_show(options, streams);
    case Verb::import:
      return run_import(options, streams);
  }
  return ExitCode::failed;
}

}  // namespace forerun
