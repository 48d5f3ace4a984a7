#include "estimator/measure/measure.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <ostream>
#include <set>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "estimator/measure/collective_probe.hpp"
#include "estimator/measure/measurement_plan.hpp"
#include "estimator/profile/journal.hpp"
#include "estimator/profile/profile_json.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

// No key may take more than this, however large the budget: enough for 100 samples of 20 ms.
constexpr Seconds most_per_key = 2.0 * unit::second;

class Measurement {
 public:
  Measurement(const MeasureOptions& options, const Machine& machine, std::ostream& progress)
      : options_(options),
        machine_(machine),
        progress_(progress),
        profile_(describe(machine)),
        plan_(plan_measurement(options.jobs, {profile_.ranks_per_node})) {}

  Profile run() {
    open_journal();
    left_ = missing();
    total_ = left_;
    for (const KernelKey& key : plan_.kernels) {
      measure_kernel(key);
    }
    for (const PlannedCollective& planned : plan_.collectives) {
      measure_collective(planned);
    }
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
      const MeasuredJob measured{job.model.name, text_of(job.layout),
                                 std::string(name_of(job.recipe.precision)),
                                 job.recipe.micro_batch, job.recipe.sequence};
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
    for (const KernelRecord& record : profile_.kernels) {
      known_kernels_.insert(record.key);
    }
    for (const CollectiveRecord& record : profile_.collectives) {
      known_collectives_.insert(record.key);
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

  [[nodiscard]] std::int64_t missing() const {
    const auto kernels = std::ranges::count_if(
        plan_.kernels, [&](const KernelKey& key) { return !known_kernels_.contains(key); });
    const auto collectives = std::ranges::count_if(
        plan_.collectives,
        [&](const PlannedCollective& planned) { return !known_collectives_.contains(planned.key); });
    return kernels + collectives;
  }

  // A fair share of what is left of the budget, the same on every rank; nothing when it is spent.
  std::optional<Seconds> share() {
    auto seconds = static_cast<float>(
        ((options_.budget - elapsed()) / static_cast<double>(std::max<std::int64_t>(1, left_)))
            .in(unit::second));
    machine_.host_world.broadcast(&seconds, 1, DataType::fp32, 0);
    --left_;
    if (seconds <= 0.0F) {
      return std::nullopt;
    }
    return std::min(static_cast<double>(seconds) * unit::second, most_per_key);
  }

  void measure_kernel(const KernelKey& key) {
    if (known_kernels_.contains(key)) {
      return;
    }
    const auto time = share();
    const auto refusal = machine_.device.refuses(key);
    if (!time || refusal) {
      profile_.skipped.push_back(text_of(key) + (refusal ? ": " + *refusal : ": time budget"));
      return;
    }
    const KernelRecord record{key, probe_kernel(machine_.device, machine_.host_world, key,
                                                {.time = *time, .tolerance = 0.01})};
    profile_.kernels.push_back(record);
    note(to_json(record), text_of(key), record.timing);
  }

  void measure_collective(const PlannedCollective& planned) {
    if (known_collectives_.contains(planned.key)) {
      return;
    }
    const auto time = share();
    if (!time) {
      profile_.skipped.push_back(text_of(planned.key) + ": time budget");
      return;
    }
    auto groups = groups_.find(planned.layout);
    if (groups == groups_.end()) {
      groups = groups_
                   .emplace(planned.layout, std::make_unique<GridCommunicators>(
                                                machine_.data_world, planned.layout))
                   .first;
    }
    const CollectivePlace place{machine_.device, machine_.host_world, *groups->second};
    const CollectiveRecord record{
        planned.key, probe_collective(place, planned, {.time = *time, .tolerance = 0.03})};
    profile_.collectives.push_back(record);
    note(to_json(record), text_of(planned.key), record.timing);
  }

  void note(const Json& record, const std::string& key, const Timing& timing) {
    if (!is_root()) {
      return;
    }
    journal_->append(record);
    progress_ << fmt::format("measure {:3d}/{}  {:>9} +-{:4.1f} % n={:<3d}  {}\n", total_ - left_,
                             total_, text_of(timing.median),
                             50.0 * ((timing.high - timing.low) / timing.median), timing.samples,
                             key)
              << std::flush;
  }

  const MeasureOptions& options_;
  const Machine& machine_;
  std::ostream& progress_;
  Clock::time_point start_ = Clock::now();
  Profile profile_;
  MeasurementPlan plan_;
  std::optional<Journal> journal_;
  std::set<KernelKey> known_kernels_;
  std::set<CollectiveKey> known_collectives_;
  std::map<ParallelLayout, std::unique_ptr<GridCommunicators>> groups_;
  std::int64_t left_ = 0;
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
