#include "estimator/cli/job_estimate.hpp"

#include <utility>

#include "estimator/cli/job_options.hpp"
#include "estimator/estimate/host_costs.hpp"
#include "units/input_error.hpp"

namespace forerun {

HardwareSource hardware_from(const Options& options) {
  if (!options.cluster) {
    throw InputError("--cluster",
                     "is missing (expected a catalog name like dgx-h100, a cluster "
                     ".toml, or a profile .json)");
  }
  return read_hardware(*options.cluster);
}

void set_price(HardwareSource& hardware, const Options& options) {
  if (options.price) {
    hardware.cluster.economics = {options.price, std::nullopt, "USD", "", "--price"};
  }
}

DeviceKind device_kind_of(const HardwareSource& hardware) {
  return hardware.cluster.device.is_gpu() ? DeviceKind::cuda : DeviceKind::host;
}

bool waits_for_kernels(const Options& options, const HardwareSource& hardware) {
  const bool waits = options.launch_blocking.value_or(false);
  if (waits && device_kind_of(hardware) != DeviceKind::cuda) {
    throw InputError("--launch-blocking",
                     "on is of GPUs; kernels of " + hardware.cluster.name +
                         " run on the host itself (leave it out, or CUDA_LAUNCH_BLOCKING in the "
                         "job's script)");
  }
  return waits;
}

JobEstimate estimate_from(const Options& options, const HardwareSource& hardware, Job job) {
  EstimateRequest request;
  request.hardware = sized_for(hardware, world_size(job.layout));
  request.job = std::move(job);
  if (!options.software && device_kind_of(hardware) == DeviceKind::cuda) {
    request.job.recipe.software = usual_software(request.job.recipe.tuning != Tuning::full);
  }
  request.overlap = options.overlap.value_or(default_overlap(hardware));
  request.job.recipe.software.waits_for_kernels = waits_for_kernels(options, hardware);
  request.host = host_cost_of(request.job.recipe.software, calibrated_host_costs());
  request.strictness = options.strict ? Strictness::interpolated_or_better : Strictness::any_tier;
  request.rank_order = options.rank_order;
  request.run = options.run;
  request.stragglers = {options.slowest_device, options.jitter, std::nullopt};
  return estimate_job(request);
}

JobEstimate estimate_from(const Options& options) {
  HardwareSource hardware = hardware_from(options);
  if (options.what_if != WhatIf()) {
    change_hardware(hardware, options.what_if);
  }
  set_price(hardware, options);
  return estimate_from(
      options,
      hardware,
      job_from(options, devices_from(options, hardware), job_defaults(device_kind_of(hardware))));
}

}  // namespace forerun
