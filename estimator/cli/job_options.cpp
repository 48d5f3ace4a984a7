#include "estimator/cli/job_options.hpp"

#include <algorithm>
#include <optional>
#include <regex>

#include "estimator/step/work_list.hpp"
#include "jobs/read_model.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"

namespace forerun {
namespace {

Job checked_job(const Options& options,
                const ModelShape& model,
                const ParallelLayout& layout,
                const JobDefaults& defaults) {
  Job job{model, recipe_from(options), layout};
  if (!options.sequence) {
    job.recipe.sequence = std::min(model.max_positions, defaults.longest_sequence);
  }
  if (!options.batch) {
    job.recipe.global_batch = world_size(layout) * job.recipe.micro_batch;
  }
  if (!options.precision) {
    job.recipe.precision = defaults.precisions.front();
  }
  if (const auto reason = unsupported_because(job)) {
    throw InputError(model.name, *reason);
  }
  if (const auto reason = illegal_because(job)) {
    throw InputError(*reason);
  }
  return job;
}

// tp * cp * pp * dp as far as they are written out; nothing when dp is left to fill up.
std::optional<std::int64_t> stated_devices(const std::string& spec) {
  static const std::regex degree("(tp|pp|cp|dp)=([0-9]+)");
  std::int64_t product = 1;
  bool has_data = false;
  for (std::sregex_iterator it(spec.begin(), spec.end(), degree); it != std::sregex_iterator();
       ++it) {
    product *= parse_whole((*it)[2].str(), 1).value_or(1);
    has_data = has_data || (*it)[1] == "dp";
  }
  return has_data ? std::optional(product) : std::nullopt;
}

}  // namespace

JobDefaults job_defaults(DeviceKind kind) {
  if (kind == DeviceKind::cuda) {
    return {{Precision::bf16}, 4096};
  }
  return {{Precision::fp32, Precision::bf16}, 256};
}

std::vector<Job> jobs_from(const Options& options,
                           std::int64_t devices,
                           const JobDefaults& defaults) {
  if (options.models.empty()) {
    throw InputError("--model", "is missing (expected a catalog name like gpt2, or a config.json)");
  }
  std::vector<Job> jobs;
  for (const std::string& name : options.models) {
    const ModelShape model = read_model(name);
    for (const ParallelLayout& layout :
         parse_layouts(options.layout.value_or("dp=" + std::to_string(devices)), devices)) {
      jobs.push_back(checked_job(options, model, layout, defaults));
    }
  }
  return jobs;
}

Job job_from(const Options& options, std::int64_t devices, const JobDefaults& defaults) {
  if (options.models.size() != 1) {
    throw InputError("--model", "is needed exactly once here");
  }
  const ParallelLayout layout =
      parse_layout(options.layout.value_or("dp=" + std::to_string(devices)), devices);
  return checked_job(options, read_model(options.models.front()), layout, defaults);
}

std::int64_t devices_from(const Options& options, const HardwareSource& hardware) {
  if (options.devices) {
    return *options.devices;
  }
  if (const auto stated = options.layout ? stated_devices(*options.layout) : std::nullopt) {
    return *stated;
  }
  if (hardware.profile) {
    return hardware.profile->ranks;
  }
  throw InputError(
      "--devices",
      "is missing: how many devices of " + hardware.cluster.name + " does the job use?");
}

}  // namespace forerun
