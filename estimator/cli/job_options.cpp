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

// Ten times what any published run uses; a schedule is walked pass by pass.
constexpr std::int64_t most_micro_batches = 100'000;

Job job_of(const Options& options,
           const ModelShape& model,
           const ParallelLayout& layout,
           const JobDefaults& defaults) {
  Job job{model, recipe_from(options), layout};
  if (options.teacher) {
    job.teacher = read_model(*options.teacher, "--teacher");
  }
  if (!options.sequence) {
    job.recipe.sequence = std::min(model.max_positions, defaults.longest_sequence);
  }
  if (!options.batch) {
    job.recipe.global_batch = world_size(layout) * job.recipe.micro_batch;
  }
  if (!options.precision) {
    job.recipe.precision = defaults.precisions.front();
  }
  return job;
}

std::optional<InputError> refusal_of(const Job& job) {
  if (const auto reason = unsupported_because(job)) {
    return reason->starts_with("--") ? InputError(*reason) : InputError("--model", *reason);
  }
  if (const auto reason = illegal_because(job)) {
    return InputError(*reason);
  }
  if (micro_batches(job) > most_micro_batches) {
    return InputError("--batch",
                      std::to_string(job.recipe.global_batch) + " makes " +
                          std::to_string(micro_batches(job)) +
                          " micro-batches a pipeline (at most " +
                          std::to_string(most_micro_batches) + " are scheduled)");
  }
  return std::nullopt;
}

Job checked_job(const Options& options,
                const ModelShape& model,
                const ParallelLayout& layout,
                const JobDefaults& defaults) {
  Job job = job_of(options, model, layout, defaults);
  if (auto refusal = refusal_of(job)) {
    throw InputError(std::move(*refusal));
  }
  return job;
}

struct StatedDevices {
  std::int64_t product = 1;
  bool names_data = false;  ///< else dp is left to fill up
};

// tp * cp * pp * dp as far as they are written out.
StatedDevices stated_devices(const std::string& spec) {
  static const std::regex degree("(tp|pp|cp|dp)=([0-9]+)");
  StatedDevices stated;
  for (std::sregex_iterator it(spec.begin(), spec.end(), degree); it != std::sregex_iterator();
       ++it) {
    stated.product *= parse_whole((*it)[2].str(), 1).value_or(1);
    stated.names_data = stated.names_data || (*it)[1] == "dp";
  }
  return stated;
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
    const ModelShape model = model_named(name, options);
    for (const ParallelLayout& layout :
         parse_layouts(options.layout.value_or("dp=" + std::to_string(devices)), devices)) {
      jobs.push_back(checked_job(options, model, layout, defaults));
    }
  }
  return jobs;
}

JobSet legal_jobs_from(const Options& options, std::int64_t devices, const JobDefaults& defaults) {
  if (options.models.empty()) {
    throw InputError("--model", "is missing (expected a catalog name like gpt2, or a config.json)");
  }
  JobSet set;
  std::optional<InputError> first;
  for (const std::string& name : options.models) {
    const ModelShape model = model_named(name, options);
    for (const ParallelLayout& layout :
         parse_layouts(options.layout.value_or("dp=" + std::to_string(devices)), devices)) {
      Job job = job_of(options, model, layout, defaults);
      if (auto refusal = refusal_of(job)) {
        set.left_out.push_back(model.name + " " + text_of(layout) + ": " + refusal->what());
        first = first ? first : std::move(refusal);
      } else {
        set.jobs.push_back(std::move(job));
      }
    }
  }
  if (set.jobs.empty() && first) {
    throw InputError(std::move(*first));
  }
  return set;
}

Job job_from(const Options& options, std::int64_t devices, const JobDefaults& defaults) {
  if (options.models.size() != 1) {
    throw InputError("--model", "is needed exactly once here");
  }
  const ParallelLayout layout =
      parse_layout(options.layout.value_or("dp=" + std::to_string(devices)), devices);
  return checked_job(options, model_named(options.models.front(), options), layout, defaults);
}

std::int64_t devices_of_layouts(const Options& options) {
  static const std::regex degree("(tp|pp|cp|dp)=([0-9|.]+)");
  static const std::regex number("[0-9]+");
  const std::string specs = options.layout.value_or("");
  std::int64_t most = 1;
  for (std::size_t first = 0; first <= specs.size();) {
    const std::size_t last = std::min(specs.find(';', first), specs.size());
    const std::string spec = specs.substr(first, last - first);
    std::int64_t product = 1;
    for (std::sregex_iterator it(spec.begin(), spec.end(), degree), end; it != end; ++it) {
      const std::string values = (*it)[2].str();
      std::int64_t largest = 1;
      for (std::sregex_iterator value(values.begin(), values.end(), number); value != end;
           ++value) {
        largest = std::max(largest, parse_whole(value->str(), 1).value_or(1));
      }
      product *= largest;
    }
    most = std::max(most, product);
    first = last + 1;
  }
  return options.devices.value_or(most);
}

std::int64_t devices_from(const Options& options, const HardwareSource& hardware) {
  if (options.devices) {
    return *options.devices;
  }
  const StatedDevices stated = stated_devices(options.layout.value_or(""));
  if (stated.names_data) {
    return stated.product;
  }
  if (hardware.profile) {
    return hardware.profile->ranks;
  }
  if (options.layout) {
    return stated.product;
  }
  throw InputError(
      "--devices",
      "is missing: how many devices of " + hardware.cluster.name + " does the job use?");
}

}  // namespace forerun
