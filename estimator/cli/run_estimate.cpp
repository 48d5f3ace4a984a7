// The verbs that run alone on the command line: estimate, forecast, show.
#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/backend/module.hpp"
#include "estimator/cli/cluster_forecast.hpp"
#include "estimator/cli/emit_future.hpp"
#include "estimator/cli/job_estimate.hpp"
#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/show.hpp"
#include "estimator/cli/show_comparison.hpp"
#include "estimator/cli/show_topology.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/estimate/estimate.hpp"
#include "estimator/estimate/estimate_table.hpp"
#include "estimator/estimate/priced_operations.hpp"
#include "estimator/estimate/trace_json.hpp"
#include "estimator/forecast/forecast.hpp"
#include "estimator/profile/build_info.hpp"
#include "estimator/profile/journal.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

// The head that every document starts with, then the body.
nlohmann::ordered_json with_head(const nlohmann::ordered_json& body) {
  nlohmann::ordered_json document = document_head();
  document.update(body);
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
  const auto operations = priced_operations(estimate);
  if (options.verbosity == Verbosity::verbose) {
    constexpr std::size_t shown = 25;
    print_operations(operations, shown, streams.log);
  }
  nlohmann::ordered_json document = to_json(estimate);
  document["operations"] = to_json(operations);
  write_result(document, print_estimate, options, streams.out);
  if (estimate.infeasible_because) {
    fmt::print(streams.log, "forerun: infeasible: {}\n", *estimate.infeasible_because);
    return ExitCode::infeasible;
  }
  return ExitCode::answered;
}

ExitCode run_forecast(const Options& options, const OutputStreams& streams) {
  const auto world = open_world();
  const bool is_root = world->rank() == 0;
  if (options.backtest || options.edge || options.fitted_table) {
    return is_root ? run_forecast_question(options, streams) : ExitCode::answered;
  }
  if (options.cluster) {
    if (options.emitted_job || options.emitted_cluster) {
      throw InputError(
          options.emitted_job ? "--emit-job" : "--emit-cluster",
          "writes a scenario's future model and machines (expected without --cluster)");
    }
    if (is_root) {
      write_result(with_head(forecast_on_cluster(options)), print_forecast, options, streams.out);
    }
    return ExitCode::answered;
  }
  if (!options.year) {
    throw InputError("--year",
                     "is missing (expected one like --year 2030, or --cluster with "
                     "--devices and --days to start from a measurement)");
  }
  const ScenarioOptions scenario{options.scenario,
                                 *options.year,
                                 options.samples,
                                 options.seed,
                                 options.shows_sensitivity,
                                 options.strict};
  const nlohmann::ordered_json forecast = forecast_scenario(scenario, world.get());
  if (is_root) {
    const nlohmann::ordered_json document = with_head(forecast);
    emit_future(options, document, streams);
    write_result(document, print_forecast, options, streams.out);
  }
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
