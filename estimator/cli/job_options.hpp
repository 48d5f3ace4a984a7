// Jobs from options: models, layouts and recipes put together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "estimator/cli/options.hpp"
#include "estimator/estimate/hardware_source.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// What an option that the user left out becomes; it depends on what runs the job.
struct JobDefaults {
  std::vector<Precision> precisions;  ///< measure takes all, the others the first
  std::int64_t longest_sequence = 0;  ///< --seq: the model's context, at most this
};

/// On a GPU bf16 and up to 4096 tokens; on a CPU fp32 and up to 256, since a step there takes
/// seconds.
[[nodiscard]] JobDefaults job_defaults(DeviceKind kind);

/// Every model with every layout of `--layout` (default: dp over all devices), checked: legal and
/// modelled. Without --batch, one micro-batch a device. Throws InputError.
[[nodiscard]] std::vector<Job> jobs_from(const Options& options,
                                         std::int64_t devices,
                                         const JobDefaults& defaults);

/// The legal ones of such a set, and what is wrong with the others.
struct JobSet {
  std::vector<Job> jobs;
  std::vector<std::string> left_out;  ///< "MODEL LAYOUT: reason"
};

/// As `jobs_from`, but a layout that one of the models cannot take is left out of it; a set without
/// a legal job throws what its first job is refused for.
[[nodiscard]] JobSet legal_jobs_from(const Options& options,
                                     std::int64_t devices,
                                     const JobDefaults& defaults);

/// The same with exactly one model and one layout.
[[nodiscard]] Job job_from(const Options& options,
                           std::int64_t devices,
                           const JobDefaults& defaults);

/// --devices; else as many as the largest values of --layout's degrees multiply to.
[[nodiscard]] std::int64_t devices_of_layouts(const Options& options);

/// --devices; else the ranks of a profile; else the product of the degrees that --layout states.
[[nodiscard]] std::int64_t devices_from(const Options& options, const HardwareSource& hardware);

}  // namespace forerun
