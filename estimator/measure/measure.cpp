#include "estimator/measure/measure.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <ostream>
#include <random>
#include <utility>
#include <variant>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "estimator/measure/collective_probe.hpp"
#include "estimator/measure/kernel_probe.hpp"
#include "estimator/measure/measurement_plan.hpp"
#include "estimator/measure/statistics.hpp"
#include "estimator/profile/journal.hpp"
#include "estimator/profile/profile_json.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

// No key may take more than this, however large the budget (modelling.md 10.3).
constexpr Seconds most_per_key = 2.0 * unit::second;

// Load for the sustained rate, within a twentieth of the budget: what a GPU takes to reach its
// temperature under load (modelling.md 10.1), less on a CPU, whose clocks follow within a second.
constexpr Seconds gpu_load = 10.0 * unit::second;
constexpr Seconds cpu_load = 3.0 * unit::second;

class Measurement {
 public:
  Measurement(const MeasureOptions& options, const Machine& machine, std::ostream& progress)
      : options_(options),
        machine_(machine),
        progress_(progress),
        arena_(machine.device),
        profile_(describe(machine)),
        plan_(plan_measurement(options.jobs, {profile_.ranks_per_node})) {
    for (const KernelKey& key : options.kernels) {
      if (std::ranges::find(plan_.kernels, key) == plan_.kernels.end()) {
        plan_.kernels.push_back(key);
      }
    }
    std::mt19937_64 random(options.seed);
    std::ranges::shuffle(plan_.kernels, random);
    if (options.what == MeasureOptions::What::kernels) {
      plan_.collectives.clear();
    }
  }

  Profile run() {
    open_journal();
    warm_up();
    quick_round();
    load_round();
    refining_round();
    add_jobs();
    fit_levels(profile_);
    profile_.elapsed_s = elapsed().in(unit::second);
    if (is_root()) {
      write_atomically(options_.out, to_json(profile_).dump(1) + "\n");
      journal_.reset();
      std::filesystem::remove(journal_path());
    }
    machine_.host_world.barrier();
    return profile_;
  }

 private:
  [[nodiscard]] bool is_root() const { return machine_.host_world.rank() == 0; }

  [[nodiscard]] std::string journal_path() const { return options_.out + ".journal"; }

  [[nodiscard]] Seconds elapsed() const {
    return std::chrono::duration<double>(Clock::now() - start_).count() * unit::second;
  }

  void add_jobs() {
    for (const Job& job : options_.jobs) {
      const MeasuredJob measured{job.model.name,
                                 text_of(job.layout),
                                 std::string(name_of(job.recipe.precision)),
                                 job.recipe.micro_batch,
                                 job.recipe.sequence};
      if (std::ranges::find(profile_.jobs, measured) == profile_.jobs.end()) {
        profile_.jobs.push_back(measured);
      }
    }
  }

  void open_journal() {
    const Json head{{"device", profile_.device.name},
                    {"cores_per_device", profile_.device.cores},
                    {"ranks", profile_.ranks},
                    {"ranks_per_node", profile_.ranks_per_node}};
    if (options_.start == MeasureOptions::Start::resume) {
      resume_records(options_.out, journal_path(), head, profile_);
    }
    machine_.host_world.barrier();
    if (is_root()) {
      if (options_.start == MeasureOptions::Start::afresh) {
        std::filesystem::remove(journal_path());
      }
      const bool is_new = !std::filesystem::exists(journal_path());
      journal_.emplace(journal_path(), head);
      if (is_new) {
        copy_into_journal();
      }
    }
    // An interrupted refinement leaves two records of a key: the later one counts.
    for (const KernelRecord& record : std::exchange(profile_.kernels, {})) {
      keep(record, kernels_, profile_.kernels);
    }
    for (const CollectiveRecord& record : std::exchange(profile_.collectives, {})) {
      keep(record, collectives_, profile_.collectives);
    }
  }

  // Records taken over from a finished profile must survive a kill of this run too.
  void copy_into_journal() {
    for (const KernelRecord& record : profile_.kernels) {
      journal_->append(to_json(record));
    }
    for (const CollectiveRecord& record : profile_.collectives) {
      journal_->append(to_json(record));
    }
  }

  // Until clocks and power are those of load: three runs and 100 ms at least (modelling.md 10.1).
  void warm_up() {
    if (plan_.kernels.empty()) {
      return;
    }
    const auto start = Clock::now();
    const KernelKey& key = plan_.kernels.front();
    if (machine_.device.refuses(key)) {
      return;
    }
    try {
      const auto operands = arena_.operands_for(key);
      for (int i = 0; i < 3 || Clock::now() - start < std::chrono::milliseconds(100); ++i) {
        machine_.device.run(key, operands, KernelScalars{});
        machine_.device.synchronize();
      }
    } catch (const std::exception&) {
      return;  // The probe of this key will say what is wrong with it.
    }
  }

  // Bursts are over before heat counts; a training step is not. The largest product of the fastest
  // format, run for seconds, tells by how much its time then exceeds that of a burst.
  void load_round() {
    const KernelRecord* largest = nullptr;
    for (const KernelRecord& record : profile_.kernels) {
      const bool is_product = record.key.op == KernelOp::gemm;
      if (is_product && record.hot &&
          (largest == nullptr || hardware_flops(record.key) / *record.hot >
                                     hardware_flops(largest->key) / *largest->hot)) {
        largest = &record;
      }
    }
    if (largest == nullptr || !has_time()) {
      return;
    }
    const Seconds load =
        std::min(profile_.device.kind == "host" ? cpu_load : gpu_load, 0.05 * options_.budget);
    const auto operands = arena_.operands_for(largest->key);
    std::vector<Seconds> samples;
    Seconds spent;
    do {
      constexpr int batch = 10;
      const auto more = machine_.device.time_runs(largest->key, operands, batch, CacheState::hot);
      samples.insert(samples.end(), more.begin(), more.end());
      for (const Seconds sample : more) {
        spent += sample;
      }
    } while (spent < load && !is_stopped());
    // The first half only warms up.
    samples.erase(samples.begin(),
                  samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2));
    auto factor = static_cast<float>(timing_of(std::move(samples)).median / *largest->hot);
    machine_.host_world.all_reduce(&factor, &factor, 1, DataType::fp32, ReduceOp::max);
    profile_.sustained_factor = std::max(1.0, static_cast<double>(factor));
    profile_.clock_hz = machine_.device.clock_hz();
  }

  // A few samples of everything: a budget that ends later costs precision, not coverage.
  void quick_round() {
    total_ = std::ssize(plan_.kernels) + std::ssize(plan_.collectives);
    for (const PlannedCollective& planned : plan_.collectives) {
      ++done_;
      if (!collectives_.contains(planned.key)) {
        measure_collective(
            planned, {.time = Seconds(), .tolerance = 0.03, .samples = 3, .stop = options_.stop});
      }
    }
    for (const KernelKey& key : plan_.kernels) {
      ++done_;
      if (!kernels_.contains(key)) {
        measure_kernel(key,
                       {.time = Seconds(), .tolerance = 0.01, .samples = 3, .stop = options_.stop});
      }
    }
  }

  // What is left of the budget goes where the uncertainty in seconds is largest.
  void refining_round() {
    struct Candidate {
      Seconds doubt;
      std::variant<KernelKey, PlannedCollective> what;
    };

    std::vector<Candidate> candidates;
    const auto add = [&](const Timing& timing, double tolerance, auto what) {
      const Seconds width = timing.high - timing.low;
      if (timing.samples < 10 || width / (2.0 * timing.median) > tolerance) {
        candidates.push_back({width, std::move(what)});
      }
    };
    for (const KernelKey& key : plan_.kernels) {
      if (const auto found = kernels_.find(key); found != kernels_.end()) {
        add(profile_.kernels[found->second].timing, 0.01, key);
      }
    }
    for (const PlannedCollective& planned : plan_.collectives) {
      if (const auto found = collectives_.find(planned.key); found != collectives_.end()) {
        add(profile_.collectives[found->second].timing, 0.03, planned);
      }
    }
    std::ranges::stable_sort(candidates, std::greater<>(), &Candidate::doubt);
    done_ = 0;
    total_ = std::ssize(candidates);
    for (const Candidate& candidate : candidates) {
      ++done_;
      if (!has_time()) {
        return;
      }
      if (const auto* key = std::get_if<KernelKey>(&candidate.what)) {
        measure_kernel(*key, {.time = most_per_key, .tolerance = 0.01, .stop = options_.stop});
      } else {
        measure_collective(std::get<PlannedCollective>(candidate.what),
                           {.time = most_per_key, .tolerance = 0.03, .stop = options_.stop});
      }
    }
  }

  // Why nothing more is begun, on all ranks alike; empty while there is time.
  std::string end_reason() {
    // The most urgent of all ranks: a clock is only asked on one of them.
    const bool is_late = is_root() && elapsed() >= options_.budget;
    float urgency = is_stopped() ? 2.0F : (is_late ? 1.0F : 0.0F);
    machine_.host_world.all_reduce(&urgency, &urgency, 1, DataType::fp32, ReduceOp::max);
    if (urgency > 1.0F) {
      return "interrupted";
    }
    return urgency > 0.0F ? "time budget" : "";
  }

  bool has_time() { return end_reason().empty(); }

  [[nodiscard]] bool is_stopped() const { return options_.stop != nullptr && *options_.stop; }

  void skip(const std::string& key, const std::string& reason) {
    profile_.skipped.push_back(key + ": " + reason);
    if (is_root()) {
      progress_ << fmt::format("measure {:3d}/{}  skipped: {}: {}\n", done_, total_, key, reason)
                << std::flush;
    }
  }

  // In the second round a key that no longer works keeps the record of the first.
  void measure_kernel(const KernelKey& key, const ProbeLimits& limits) {
    if (const std::string reason = end_reason(); !reason.empty()) {
      skip(text_of(key), reason);
      return;
    }
    const ProbeResult result =
        probe_kernel({machine_.device, machine_.host_world, arena_}, key, limits);
    if (const auto* reason = std::get_if<std::string>(&result)) {
      skip(text_of(key), *reason);
      return;
    }
    const auto& record = std::get<KernelRecord>(result);
    keep(record, kernels_, profile_.kernels);
    note(to_json(record), text_of(key), record.timing);
  }

  void measure_collective(const PlannedCollective& planned, const ProbeLimits& limits) {
    if (const std::string reason = end_reason(); !reason.empty()) {
      skip(text_of(planned.key), reason);
      return;
    }
    auto groups = groups_.find(planned.layout);
    if (groups == groups_.end()) {
      groups =
          groups_
              .emplace(planned.layout,
                       std::make_unique<GridCommunicators>(machine_.data_world, planned.layout))
              .first;
    }
    const CollectivePlace place{machine_.device, machine_.host_world, *groups->second};
    const CollectiveRecord record{planned.key, probe_collective(place, planned, limits)};
    keep(record, collectives_, profile_.collectives);
    note(to_json(record), text_of(planned.key), record.timing);
  }

  // A later measurement of a key takes the place of an earlier one.
  template <typename Record, typename Index>
  static void keep(const Record& record, Index& index, std::vector<Record>& records) {
    const auto [found, is_new] = index.emplace(record.key, records.size());
    if (is_new) {
      records.push_back(record);
    } else {
      records[found->second] = record;
    }
  }

  void note(const Json& record, const std::string& key, const Timing& timing) {
    if (!is_root()) {
      return;
    }
    journal_->append(record);
    progress_ << fmt::format("measure {:3d}/{}  {:>9} +-{:4.1f} % n={:<3d}  {}\n",
                             done_,
                             total_,
                             text_of(timing.median),
                             50.0 * ((timing.high - timing.low) / timing.median),
                             timing.samples,
                             key)
              << std::flush;
  }

  const MeasureOptions& options_;
  const Machine& machine_;
  std::ostream& progress_;
  Clock::time_point start_ = Clock::now();
  OperandArena arena_;
  Profile profile_;
  MeasurementPlan plan_;
  std::optional<Journal> journal_;
  std::map<KernelKey, std::size_t> kernels_;  ///< where its record stands in the profile
  std::map<CollectiveKey, std::size_t> collectives_;
  std::map<ParallelLayout, std::unique_ptr<GridCommunicators>> groups_;
  std::int64_t done_ = 0;
  std::int64_t total_ = 0;
};

}  // namespace

std::int64_t ranks_per_node(const std::vector<std::string>& hosts) {
  return std::ranges::count(hosts, hosts.front());
}

Profile describe(const Machine& machine) {
  Profile profile;
  profile.date = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  profile.device = machine.device.report();
  profile.node = discover_node();
  profile.hosts = machine.host_world.all_gather_text(profile.node.host);
  profile.ranks = machine.host_world.size();
  profile.ranks_per_node = ranks_per_node(profile.hosts);
  return profile;
}

Profile measure(const MeasureOptions& options, const Machine& machine, std::ostream& progress) {
  return Measurement(options, machine, progress).run();
}

}  // namespace forerun
