// The verb `rehearse` on the command line.
#include <optional>
#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/cli/job_options.hpp"
#include "estimator/cli/ranks.hpp"
#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/estimate/estimate.hpp"
#include "estimator/profile/journal.hpp"
#include "estimator/rehearse/rehearse_json.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"

namespace forerun {
namespace {

// A profile speaks for the device and the cores that it was measured on.
void check_same_device(const Profile& profile, const DeviceReport& here) {
  if (profile.device.name != here.name || profile.device.cores != here.cores) {
    throw InputError(profile.path,
                     "was measured on " + profile.device.name + " with " +
                         std::to_string(profile.device.cores) + " cores a rank, this rank drives " +
                         here.name + " with " + std::to_string(here.cores) +
                         " (run 'forerun measure' under the same mpirun options)");
  }
}

std::vector<PredictedRun> predict(const Options& options, const std::vector<Job>& jobs) {
  const HardwareSource hardware =
      sized_for(read_hardware(*options.cluster), world_size(jobs.front().layout));
  std::vector<PredictedRun> runs;
  for (const Job& job : jobs) {
    const EstimateRequest request{
        job,
        hardware,
        options.overlap.value_or(default_overlap(hardware)),
        options.strict ? Strictness::interpolated_or_better : Strictness::any_tier};
    runs.push_back({job, estimate_job(request).step});
  }
  return runs;
}

// The first layout whose tensors are more than this rank's device holds; running it would end in
// the system's out-of-memory killer.
std::optional<std::string> too_large(const std::vector<PredictedRun>& runs, Bytes memory) {
  for (const PredictedRun& run : runs) {
    for (const StageMemory& stage : run.estimate.memory) {
      if (total_of(stage) > memory) {
        return run.job.model.name + " " + text_of(run.job.layout) + " needs " +
               text_of(total_of(stage)) + " a rank, which has " + text_of(memory);
      }
    }
  }
  return std::nullopt;
}

// What has been predicted, before anything runs.
void announce(const std::vector<PredictedRun>& runs, const Options& options, std::ostream& log) {
  for (const PredictedRun& run : runs) {
    fmt::print(log,
               "rehearse {} {}: predicted {}\n",
               run.job.model.name,
               text_of(run.job.layout),
               text_of(total_of(run.estimate.breakdown)));
  }
  if (options.out) {
    write_atomically(*options.out, prediction_json(runs).dump(2) + "\n");
  }
}

void check_executable(const std::vector<Job>& jobs) {
  for (const Job& job : jobs) {
    if (job.recipe.precision != Precision::bf16 && job.recipe.precision != Precision::fp32) {
      throw InputError("--precision", "a rehearsal runs in bf16 or fp32");
    }
    if (job.model.attention.kv_heads % job.layout.tensor != 0) {
      throw InputError("--layout",
                       text_of(job.layout) + " splits " +
                           std::to_string(job.model.attention.kv_heads) +
                           " key-value heads over more tensor ranks than they divide "
                           "into, which is not rehearsed yet (only estimated)");
    }
  }
}

}  // namespace

ExitCode run_rehearse(const Options& options, const Streams& streams) {
  if (!options.cluster) {
    throw InputError("--cluster",
                     "is missing: the profile to predict from ('forerun measure --out "
                     "profile.json' writes one)");
  }
  Ranks ranks(options);
  const Machine machine = ranks.machine();
  const auto jobs = jobs_from(options, ranks.world().size(), job_defaults(ranks.kind()));
  check_executable(jobs);
  const HardwareSource hardware = read_hardware(*options.cluster);
  if (hardware.profile) {
    check_same_device(*hardware.profile, machine.device.report());
  }
  const auto predicted = predict(options, jobs);
  if (ranks.is_root()) {
    announce(predicted, options, streams.log);
    if (!hardware.profile) {
      fmt::print(streams.log,
                 "note: {} was not measured here: the prediction is for other devices\n",
                 hardware.cluster.name);
    }
  }
  if (const auto reason = too_large(predicted, machine.device.report().memory)) {
    if (ranks.is_root()) {
      fmt::print(streams.log, "forerun: infeasible: {}\n", *reason);
    }
    return ExitCode::infeasible;
  }
  const auto runs = rehearse(predicted, {options.steps, options.seed}, machine, streams.log);
  bool equal = true;
  for (const RehearsedRun& run : runs) {
    equal = equal && (!run.equality || run.equality->equal);
  }
  if (ranks.is_root()) {
    write_result(to_json(runs), print_rehearsal, options, streams.out);
    if (!equal) {
      fmt::print(streams.log,
                 "forerun: the split step does not compute what the one-rank step does\n");
    }
  }
  return equal ? ExitCode::answered : ExitCode::failed;
}

}  // namespace forerun
