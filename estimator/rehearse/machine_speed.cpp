#include "estimator/rehearse/machine_speed.hpp"

#include <algorithm>
#include <map>
#include <variant>
#include <vector>

#include "estimator/measure/kernel_probe.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct Timed {
  const KernelRecord* record = nullptr;
  double calls = 0.0;  ///< of one micro-batch

  [[nodiscard]] Seconds total() const { return calls * record->timing.median; }
};

using Calls = std::map<KernelKey, double>;

void count(const std::vector<WorkItem>& items, Calls& calls) {
  for (const WorkItem& item : items) {
    if (const auto* const kernel = std::get_if<KernelWork>(&item.work)) {
      calls[kernel->key] += 1.0;
    }
  }
}

// The kernels of all stages' passes that the profile holds, those of the longest total first.
std::vector<Timed> timed_kernels(const Job& job,
                                 const Placement& placement,
                                 const Profile& profile) {
  Calls calls;
  for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
    for (const ChunkWork& chunk : stage_work(job, placement, stage).chunks) {
      count(chunk.forward, calls);
      count(chunk.backward, calls);
    }
  }
  std::vector<Timed> kernels;
  for (const KernelRecord& record : profile.kernels) {
    if (const auto found = calls.find(record.key); found != calls.end()) {
      kernels.push_back({&record, found->second});
    }
  }
  std::ranges::stable_sort(kernels, std::greater<>(), &Timed::total);
  return kernels;
}

}  // namespace

std::optional<MachineSpeed> speed_now(const Machine& machine,
                                      const Job& job,
                                      const Placement& placement,
                                      const Profile& profile,
                                      Seconds budget) {
  constexpr std::int64_t most_kernels = 8;
  constexpr double enough = 0.8;  // of their time
  constexpr double runs = 5.0;    // of each at least: one before the samples, three, one hot
  constexpr ProbeLimits limits{.time = 100.0 * unit::millisecond, .tolerance = 0.02, .samples = 9};
  const std::vector<Timed> kernels = timed_kernels(job, placement, profile);
  Seconds all;
  for (const Timed& kernel : kernels) {
    all += kernel.total();
  }
  OperandArena arena(machine.device);
  MachineSpeed speed;
  Seconds before;
  Seconds now;
  for (const Timed& kernel : kernels) {
    if (speed.kernels >= most_kernels || before >= enough * all) {
      break;
    }
    const Seconds cost = runs * kernel.record->timing.median;
    if (cost > budget) {
      continue;
    }
    budget -= cost;
    const ProbeResult result =
        probe_kernel({machine.device, machine.host_world, arena}, kernel.record->key, limits);
    if (const auto* const record = std::get_if<KernelRecord>(&result)) {
      ++speed.kernels;
      before += kernel.total();
      now += kernel.calls * record->timing.median;
    }
  }
  if (speed.kernels == 0) {
    return std::nullopt;
  }
  speed.factor = now / before;
  speed.share = before / all;
  return speed;
}

}  // namespace forerun
