// The verb `rehearse` on the command line.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/cli/job_options.hpp"
#include "estimator/cli/ranks.hpp"
#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/estimate/estimate.hpp"
#include "estimator/profile/journal.hpp"
#include "estimator/profile/profile_json.hpp"
#include "estimator/rehearse/depth.hpp"
#include "estimator/rehearse/executable.hpp"
#include "estimator/rehearse/hold_out.hpp"
#include "estimator/rehearse/machine_speed.hpp"
#include "estimator/rehearse/rehearse_json.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

/// A job of the sweep; its model may be cut in depth when it runs.
struct Case {
  Job job;
  ModelShape whole;
};

std::string name_of(const Job& job) {
  return job.model.name + " " + text_of(job.layout);
}

// One operation after the other unless told otherwise, on a GPU too: so that each can be timed.
Overlap overlap_of(const Options& options) {
  return options.overlap.value_or(Overlap::off);
}

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

// The jobs of the set that run, in random order, so that what drifts is not taken for an effect of
// model or layout. What a single job is refused for is wrong input; of a set it is left out.
std::vector<Case> cases_of(const Options& options, Ranks& ranks, Sweep& sweep) {
  const JobSet set = legal_jobs_from(options, ranks.world().size(), job_defaults(ranks.kind()));
  for (const std::string& text : set.left_out) {
    const std::size_t colon = text.find(": ");
    sweep.left_out.push_back({text.substr(0, colon), text.substr(colon + 2)});
  }
  std::vector<Case> cases;
  std::optional<NotRehearsed> first;
  for (const Job& job : set.jobs) {
    if (auto refused = not_rehearsed_because(job, overlap_of(options))) {
      sweep.left_out.push_back({name_of(job), refused->option + ": " + refused->reason});
      first = first ? first : std::move(refused);
      continue;
    }
    cases.push_back({options.layers ? with_depth(job, *options.layers) : job, job.model});
    if (const auto reason = illegal_because(cases.back().job)) {
      throw InputError("--layers", *reason);
    }
  }
  if (cases.empty()) {
    throw InputError(first->option, first->reason);
  }
  std::mt19937_64 random(options.seed);
  std::ranges::shuffle(cases, random);
  return cases;
}

class SweepRun {
 public:
  SweepRun(const Options& options, Ranks& ranks, std::ostream& log)
      : options_(options),
        ranks_(ranks),
        log_(log),
        machine_(ranks.machine()),
        rehearsal_(
            {options.steps, options.seed, options.rank_order, overlap_of(options)}, machine_, log),
        cases_(cases_of(options, ranks, sweep_)) {
    sweep_.cases = cases_.size();
    if (options.cluster) {
      hardware_ = read_hardware(*options.cluster);
      if (hardware_.profile) {
        check_same_device(*hardware_.profile, machine_.device.report());
      }
    }
  }

  /// Whether every case ran and computed what one rank computes.
  bool run() {
    introduce();
    bool is_sound = true;
    for (const Case& one : cases_) {
      is_sound = run_case(one) && is_sound;
    }
    return is_sound;
  }

  [[nodiscard]] nlohmann::ordered_json document() const { return to_json(sweep_); }

  /// The file that holds what is known so far, rewritten before and after every case.
  [[nodiscard]] std::string running_file() const {
    if (!options_.out) {
      return "rehearsal.json";
    }
    return options_.format == Format::json ? *options_.out : *options_.out + ".journal";
  }

 private:
  void say(const std::string& line) const {
    if (ranks_.is_root()) {
      log_ << line << '\n' << std::flush;
    }
  }

  // What the reader must know before the steps run.
  void introduce() const {
    for (const std::string& warning : ranks_.warnings()) {
      say("warning: " + warning);
    }
    for (const LeftOutCase& left : sweep_.left_out) {
      say("left out: " + left.name + ": " + left.reason);
    }
    if (options_.cluster && !hardware_.profile) {
      say("note: " + hardware_.cluster.name +
          " was not measured here: the prediction is for other devices");
    }
  }

  bool run_case(const Case& one) {
    const std::optional<Job> job = fitting(one);
    if (!job) {
      write();
      return false;
    }
    if (!options_.cluster) {
      measure_keys(*job);
    }
    sweep_.running = priced(*job, one.whole);
    write();
    if (!sweep_.running) {
      return false;
    }
    say(fmt::format("rehearse {}: predicted {} [{}]",
                    name_of(*job),
                    forerun::text_of(predicted_step(*sweep_.running)),
                    place_text()));
    RehearsedRun run = rehearsal_.run(*sweep_.running);
    sweep_.running.reset();
    sweep_.runs.push_back(std::move(run));
    write();
    const auto& equality = sweep_.runs.back().equality;
    return !equality || equality->equal;
  }

  // "case 2 of 3, 41 s left", at the pace of the cases before.
  [[nodiscard]] std::string place_text() const {
    const std::size_t done = sweep_.runs.size();
    std::string text = fmt::format("case {} of {}", done + 1, sweep_.cases);
    if (done > 0) {
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
      const double left =
          elapsed.count() / static_cast<double>(done) * static_cast<double>(sweep_.cases - done);
      text += fmt::format(", {} left", forerun::text_of(left * unit::second));
    }
    return text;
  }

  // The job as deep as this device holds it: running more would end in the system's out-of-memory
  // killer.
  std::optional<Job> fitting(const Case& one) {
    const Bytes memory = machine_.device.report().memory;
    auto job = options_.layers && tensor_memory(one.job) > memory
                   ? std::nullopt
                   : deepest_fitting(one.job, memory);
    if (!job) {
      const Job least = options_.layers ? one.job : shallowest(one.job);
      const std::string reason = fmt::format("{} of its layers need {} a rank, which has {}",
                                             least.model.layers,
                                             forerun::text_of(tensor_memory(least)),
                                             forerun::text_of(memory));
      leave_out(one.job, "too large: " + reason);
      return std::nullopt;
    }
    if (job->model.layers < one.whole.layers) {
      say(fmt::format(
          "rehearse {}: {} of {} layers", name_of(*job), job->model.layers, one.whole.layers));
    }
    return job;
  }

  // Its keys, right before it runs, so that drift of the machine meets both. A budget that leaves
  // out what is needed is spent again.
  void measure_keys(const Job& job) {
    MeasureOptions request;
    request.jobs = {job};
    request.budget = options_.time_budget
                         ? *options_.time_budget / static_cast<double>(cases_.size())
                         : 30.0 * unit::second;
    request.out = options_.out.value_or("rehearsal") + ".profile.json";
    request.warnings = ranks_.warnings();
    request.rank_order = options_.rank_order;
    request.seed = options_.seed;
    constexpr int most_rounds = 20;
    for (int round = 0; round < most_rounds; ++round) {
      request.start = measured_ ? MeasureOptions::Start::resume : MeasureOptions::Start::afresh;
      Profile profile = measure(request, machine_, {log_});
      measured_ = true;
      profile.path = request.out;
      const bool is_whole = holds_kernels_of(job, profile);
      hardware_ = {};
      hardware_.cluster = cluster_of(profile);
      hardware_.profile = std::move(profile);
      if (is_whole) {
        return;
      }
    }
  }

  // Every kernel of the job, but for those that failed, which `skipped` names with another reason.
  [[nodiscard]] bool holds_kernels_of(const Job& job, const Profile& profile) const {
    const WorkKeys keys = work_keys(job, {profile.ranks_per_node, options_.rank_order});
    return std::ranges::all_of(keys.kernels, [&](const KernelKey& key) {
      const std::string start = forerun::text_of(key) + ": ";
      return std::ranges::find(profile.kernels, key, &KernelRecord::key) != profile.kernels.end() ||
             std::ranges::any_of(profile.skipped, [&](const std::string& text) {
               return text.starts_with(start) && !text.ends_with(": time budget");
             });
    });
  }

  // Nothing for a case of several that has no price: it is left out, and the others run.
  std::optional<PredictedRun> priced(const Job& job, const ModelShape& whole) {
    try {
      return predict(job, whole);
    } catch (const InputError& error) {
      if (sweep_.cases == 1 && sweep_.runs.empty()) {
        throw;
      }
      leave_out(job, error.what());
      return std::nullopt;
    }
  }

  void leave_out(const Job& job, const std::string& reason) {
    say("forerun: left out: " + name_of(job) + ": " + reason);
    sweep_.left_out.push_back({name_of(job), reason});
    --sweep_.cases;
  }

  [[nodiscard]] PredictedRun predict(const Job& job, const ModelShape& whole) const {
    EstimateRequest request;
    request.job = job;
    request.hardware = sized_for(hardware_, world_size(job.layout));
    if (request.hardware.profile && options_.hold_out > 0.0) {
      hold_out(options_.hold_out, options_.seed, *request.hardware.profile);
    }
    // As the rehearsal runs it, as far as this machine was seen to: on a CPU nothing unmeasured.
    request.overlap =
        overlap_of(options_) == Overlap::on ? default_overlap(request.hardware) : Overlap::off;
    request.strictness =
        options_.strict ? Strictness::interpolated_or_better : Strictness::any_tier;
    request.rank_order = options_.rank_order;
    return predict_run(request, whole, speed_for(request));
  }

  // A profile of another time may be of a slower or faster machine. What was measured right before
  // is of this one.
  [[nodiscard]] std::optional<MachineSpeed> speed_for(const EstimateRequest& request) const {
    constexpr Seconds budget = 6.0 * unit::second;
    if (!options_.cluster || !request.hardware.profile) {
      return std::nullopt;
    }
    const PriceList prices = prices_of(request.hardware, request.strictness);
    auto speed = speed_now(machine_,
                           request.job,
                           placement_on(request.hardware.cluster, request.rank_order),
                           {*request.hardware.profile, prices},
                           budget);
    if (!speed) {
      say("note: " + name_of(request.job) +
          ": the profile holds too few of its kernels to tell how fast the machine is now");
    }
    return speed;
  }

  void write() const {
    if (ranks_.is_root()) {
      write_atomically(running_file(), to_json(sweep_).dump(2) + "\n");
    }
  }

  const Options& options_;
  Ranks& ranks_;
  std::ostream& log_;
  Machine machine_;
  Rehearsal rehearsal_;
  Sweep sweep_;
  std::vector<Case> cases_;
  HardwareSource hardware_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool measured_ = false;
};

}  // namespace

ExitCode run_rehearse(const Options& options, const OutputStreams& streams) {
  Ranks ranks(options);
  SweepRun sweep(options, ranks, streams.log);
  const bool is_sound = sweep.run();
  if (ranks.is_root()) {
    const auto document = sweep.document();
    write_result(document, print_rehearsal, options, streams.out);
    if (options.out && options.format != Format::json) {
      std::filesystem::remove(sweep.running_file());
    }
    for (const auto& run : document["runs"]) {
      if (run["equality"]["equal"] == false) {
        fmt::print(streams.log,
                   "forerun: {} {} does not compute what the one-rank step does\n",
                   run["model"].get<std::string>(),
                   run["layout"].get<std::string>());
      }
    }
  }
  return is_sound ? ExitCode::answered : ExitCode::failed;
}

}  // namespace forerun
