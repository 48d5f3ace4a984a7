// `forerun capacity` on the command line.
#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/capacity/capacity.hpp"
#include "estimator/capacity/capacity_json.hpp"
#include "estimator/cli/job_options.hpp"
#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/estimate/hardware_source.hpp"
#include "jobs/read_model.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

// The layouts of `--layout` as replicas: tp, pp and ep; dp is how many of them there are.
std::vector<ServingLayout> layouts_from(const Options& options, std::int64_t devices) {
  std::vector<ServingLayout> layouts;
  if (!options.layout) {
    return layouts;
  }
  for (const ParallelLayout& layout : parse_layouts(*options.layout, devices)) {
    if (layout.virtual_pipeline > 1 || layout.context > 1 || layout.expert_tensor > 1) {
      throw InputError("--layout",
                       "'" + text_of(layout) +
                           "': a replica is split by tp, pp and ep only (expected one like "
                           "tp=8,pp=2)");
    }
    layouts.push_back({layout.tensor, layout.pipeline, layout.expert});
  }
  return layouts;
}

ServingFormat format_from(const Options& options, const HardwareSource& hardware) {
  const ServingPrecision weights = options.serving_precision.value_or(
      hardware.cluster.device.is_gpu() ? ServingPrecision::bf16 : ServingPrecision::fp32);
  return {weights, options.cache_precision.value_or(default_cache(weights))};
}

std::optional<Speculation> speculation_from(const Options& options, const ModelShape& model) {
  if (!options.draft) {
    if (options.draft_tokens || options.acceptance) {
      throw InputError(options.draft_tokens ? "--draft-tokens" : "--acceptance",
                       "is of speculative decoding (expected --draft NAME too)");
    }
    return std::nullopt;
  }
  Speculation speculation;
  speculation.tokens = options.draft_tokens.value_or(speculation.tokens);
  speculation.acceptance = options.acceptance.value_or(speculation.acceptance);
  if (speculation.acceptance >= 1.0) {
    throw InputError("--acceptance",
                     "is not below 1: a draft that is always right needs no check (expected a "
                     "share like 80% or 0.8)");
  }
  if (*options.draft != "ngram") {
    speculation.draft = read_model(*options.draft, "--draft");
    if (speculation.draft->vocabulary != model.vocabulary) {
      throw InputError("--draft",
                       fmt::format("{} has {} tokens and {} has {}: what one proposes the other "
                                   "cannot check (expected a model with the same vocabulary, or "
                                   "ngram)",
                                   speculation.draft->name,
                                   speculation.draft->vocabulary,
                                   model.name,
                                   model.vocabulary));
    }
  }
  return speculation;
}

}  // namespace

ExitCode run_capacity(const Options& options, const OutputStreams& streams) {
  HardwareSource hardware = read_hardware(*options.cluster);
  CapacityRequest request;
  request.devices = devices_from(options, hardware);
  hardware = sized_for(hardware, request.devices);
  request.model = read_model(options.models.front());
  request.format = format_from(options, hardware);
  request.workload = options.workload;
  request.serving = options.serving;
  request.speculation = speculation_from(options, request.model);
  request.software = options.serving_software;
  request.layouts = layouts_from(options, request.devices);
  request.batch = options.batch;
  request.person = options.person;
  request.training_mfu = options.training_mfu.value_or(request.training_mfu);
  if (request.training_mfu > 1.0) {
    throw InputError("--mfu", "is above 1 (expected a share like 40% or 0.4)");
  }
  const Strictness strictness =
      options.strict ? Strictness::interpolated_or_better : Strictness::any_tier;
  Capacity capacity = serve(request, hardware.cluster, prices_of_slowest(hardware, strictness));
  capacity.notes.insert(capacity.notes.end(), hardware.notes.begin(), hardware.notes.end());
  write_result(to_json(capacity, hardware.cluster), print_capacity, options, streams.out);
  if (capacity.infeasible_because) {
    fmt::print(streams.log, "forerun: infeasible: {}\n", *capacity.infeasible_because);
    return ExitCode::infeasible;
  }
  return ExitCode::answered;
}

}  // namespace forerun
