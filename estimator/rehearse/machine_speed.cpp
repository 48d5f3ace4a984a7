#include "estimator/rehearse/machine_speed.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <variant>
#include <vector>

#include "estimator/measure/kernel_probe.hpp"
#include "estimator/measure/statistics.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct Timed {
  const KernelRecord* record = nullptr;
  double calls = 0.0;  ///< of one micro-batch

  [[nodiscard]] Seconds total() const { return calls * record->timing.median; }
};

// Seconds of neighbours' work make a machine slow for one of them.
constexpr int rounds = 3;

using Calls = std::map<KernelKey, double>;

void count(const std::vector<WorkItem>& items, Calls& calls) {
  for (const WorkItem& item : items) {
    if (const auto* const kernel = std::get_if<KernelWork>(&item.work)) {
      calls[kernel->key] += 1.0;
    }
  }
}

// Of all stages' passes.
Calls calls_of(const Job& job, const Placement& placement) {
  Calls calls;
  for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
    for (const ChunkWork& chunk : stage_work(job, placement, stage).chunks) {
      count(chunk.forward, calls);
      count(chunk.backward, calls);
    }
  }
  return calls;
}

// Those that the profile holds, the longest total first.
std::vector<Timed> timed_kernels(const Calls& calls, const Profile& profile) {
  std::vector<Timed> kernels;
  for (const KernelRecord& record : profile.kernels) {
    if (const auto found = calls.find(record.key); found != calls.end()) {
      kernels.push_back({&record, found->second});
    }
  }
  std::ranges::stable_sort(kernels, std::greater<>(), &Timed::total);
  return kernels;
}

// Those that take most of the time, as many as are expected to end within the budget.
std::vector<Timed> chosen_of(const std::vector<Timed>& kernels, Seconds all, Seconds budget) {
  constexpr std::size_t most_kernels = 8;
  constexpr double enough = 0.8;  // of their time
  constexpr double runs = 5.0;    // of each in a round: one before the samples, three, one hot
  std::vector<Timed> chosen;
  Seconds time;
  for (const Timed& kernel : kernels) {
    const Seconds cost = rounds * runs * kernel.record->timing.median;
    if (chosen.size() < most_kernels && time < enough * all && cost <= budget) {
      budget -= cost;
      time += kernel.total();
      chosen.push_back(kernel);
    }
  }
  return chosen;
}

// Of each kernel, round after round; those that fail have none.
std::vector<std::vector<Seconds>> times_now(const Machine& machine,
                                            const std::vector<Timed>& chosen) {
  constexpr ProbeLimits limits{.time = 100.0 * unit::millisecond, .tolerance = 0.02, .samples = 9};
  std::vector<std::vector<Seconds>> times(chosen.size());
  OperandArena arena(machine.device);
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const ProbeResult result =
          probe_kernel({machine.device, machine.host_world, arena}, chosen[i].record->key, limits);
      if (const auto* const record = std::get_if<KernelRecord>(&result)) {
        times[i].push_back(record->timing.median);
      }
    }
  }
  return times;
}

// Of kernels that the step spends `all` on.
std::optional<MachineSpeed> speed_of(const Machine& machine,
                                     const std::vector<Timed>& chosen,
                                     Seconds all) {
  constexpr double least_share = 0.1;
  const auto times = times_now(machine, chosen);
  MachineSpeed speed;
  Seconds before;
  Seconds now;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (!times[i].empty()) {
      ++speed.kernels;
      before += chosen[i].total();
      now += chosen[i].calls * timing_of(times[i]).median;
    }
  }
  if (speed.kernels == 0 || before < least_share * all) {
    return std::nullopt;
  }
  speed.factor = now / before;
  speed.share = std::min(1.0, before / all);
  return speed;
}

}  // namespace

std::optional<MachineSpeed> speed_now(const Machine& machine,
                                      const Job& job,
                                      const Placement& placement,
                                      const ProfiledPrices& known,
                                      Seconds budget) {
  const Calls calls = calls_of(job, placement);
  Seconds all;
  for (const auto& [key, count] : calls) {
    all += count * known.prices.kernel(key).time;
  }
  return speed_of(machine, chosen_of(timed_kernels(calls, known.profile), all, budget), all);
}

}  // namespace forerun
