#include "estimator/estimate/estimate.hpp"

#include <algorithm>
#include <cmath>

#include "estimator/estimate/structural_error.hpp"
#include "estimator/profile/nvfp4_prices.hpp"
#include "jobs/parameter_count.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

void check(const EstimateRequest& request) {
  if (const auto reason = illegal_because(request.job)) {
    throw InputError(*reason);
  }
  if (const auto reason = unsupported_because(request.job)) {
    throw reason->starts_with("--") ? InputError(*reason) : InputError("--model", *reason);
  }
}

std::optional<FlopsPerSecond> peak_of(const EstimateRequest& request) {
  const auto& peaks = request.hardware.cluster.device.peak;
  const auto found = peaks.find(data_type_of(request.job.recipe.precision));
  return found == peaks.end() ? std::nullopt : std::optional(found->second);
}

ErrorBand band_of(const JobEstimate& estimate) {
  const double relative =
      std::hypot(estimate.step.provenance.relative_error, structural_error(estimate.job_class));
  const StepBreakdown& parts = estimate.step.breakdown;
  // Extrapolated communication is as good as unknown.
  const Seconds unknown = estimate.request.hardware.is_extended
                              ? parts.tensor_parallel + parts.context_parallel +
                                    parts.expert_parallel + parts.pipeline_p2p + parts.data_parallel
                              : Seconds();
  const ErrorBand band = band_around(estimate.step_time, relative);
  return {std::max(Seconds(), band.low - unknown), band.high + unknown};
}

RunCost run_of(const JobEstimate& estimate) {
  const Job& job = estimate.request.job;
  RunRequest run;
  run.tokens_per_step = static_cast<double>(job.recipe.global_batch * job.recipe.sequence);
  const auto& steps = estimate.request.run.steps;
  run.tokens = steps ? *steps * run.tokens_per_step : *job.recipe.tokens;
  run.step_time = {estimate.band.low, estimate.step_time, estimate.band.high};
  run.devices = estimate.devices;
  run.checkpoint = checkpoint_size(static_cast<double>(trained_parameters(job)),
                                   data_type_of(job.recipe.precision) != DataType::fp32);
  return run_cost(run, estimate.request.hardware.cluster, estimate.request.run);
}

// Memory of the devices first, then that of their hosts.
std::optional<std::string> infeasible_because(const JobEstimate& estimate) {
  const Cluster& cluster = estimate.request.hardware.cluster;
  if (estimate.memory_peak > cluster.device.memory) {
    return "stage " + std::to_string(estimate.peak_stage) + " needs " +
           text_of(estimate.memory_peak) + " of memory, a device has " +
           text_of(cluster.device.memory);
  }
  if (cluster.host && estimate.host_memory > cluster.host->size) {
    return "what is offloaded needs " + text_of(estimate.host_memory) +
           " of a node's host memory, which has " + text_of(cluster.host->size);
  }
  return std::nullopt;
}

}  // namespace

HostLink host_link_for(const Offload& offload, const Cluster& cluster) {
  if (!offload.any()) {
    return {};
  }
  if (!cluster.device.is_gpu()) {
    throw InputError("--offload",
                     "a device of " + cluster.name +
                         " is the host itself, which has nothing beside it to move to (expected "
                         "none)");
  }
  if (!cluster.host) {
    throw InputError("--offload",
                     cluster.name +
                         " names no host memory and no link to it (expected [host] in a cluster "
                         "file, or none)");
  }
  return host_link_of(*cluster.host, cluster.devices_per_node);
}

Overlap default_overlap(const HardwareSource& hardware) {
  const bool is_measured = hardware.profile && !hardware.profile->overlap.empty();
  return is_measured || hardware.cluster.device.is_gpu() ? Overlap::on : Overlap::off;
}

JobEstimate estimate_job(const EstimateRequest& request) {
  return estimate_job(request, prices_of(request.hardware, request.strictness));
}

JobEstimate estimate_job(const EstimateRequest& request, const PriceList& prices) {
  check(request);
  const Job& job = request.job;
  const Cluster& cluster = request.hardware.cluster;
  JobEstimate estimate;
  estimate.request = request;
  if (job.recipe.software.waits_for_kernels) {
    estimate.request.overlap = Overlap::off;
  }
  estimate.devices = world_size(job.layout);
  HostCost host = request.host;
  host.link = host_link_for(job.recipe.offload, cluster);
  estimate.step =
      estimate_step(job,
                    placement_on(cluster, request.rank_order),
                    prices_for(prices, job.recipe.precision, cluster.device),
                    {estimate.request.overlap,
                     cluster.device.is_gpu() ? gpu_overheads(job.layout) : host_overheads(),
                     host,
                     request.stragglers});
  estimate.step_time = total_of(estimate.step.breakdown);
  for (std::size_t stage = 0; stage < estimate.step.memory.size(); ++stage) {
    const Bytes total = total_of(estimate.step.memory[stage]);
    if (total > estimate.memory_peak) {
      estimate.memory_peak = total;
      estimate.peak_stage = static_cast<std::int64_t>(stage);
    }
    const auto node = static_cast<double>(std::min(cluster.devices_per_node, estimate.devices));
    estimate.host_memory = std::max(estimate.host_memory, node * estimate.step.memory[stage].host);
  }
  estimate.infeasible_because = infeasible_because(estimate);
  estimate.peak = peak_of(request);
  estimate.job_class = job_class_of(job, estimate.step);
  estimate.band = band_of(estimate);
  if (job.recipe.tokens || request.run.steps) {
    estimate.run = run_of(estimate);
  }
  return estimate;
}

}  // namespace forerun
