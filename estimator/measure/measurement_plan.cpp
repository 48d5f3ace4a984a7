#include "estimator/measure/measurement_plan.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Kernel time grows roughly with bytes moved plus FLOP at some tens of FLOP per byte.
double rough_cost(const KernelKey& key) {
  return minimum_traffic(key).in(unit::byte) + hardware_flops(key).in(unit::flop) / 20.0;
}

class Plan {
 public:
  void add(const Job& job, const Placement& placement) {
    for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
      const StageWork work = stage_work(job, placement, stage);
      for (const ChunkWork& chunk : work.chunks) {
        add(chunk.forward, job.layout);
        add(chunk.backward, job.layout);
      }
      add(work.tail, job.layout);
      if (work.boundary) {
        add({*work.boundary, GroupKind::pipeline, job.layout});
      }
    }
  }

  // Every collective over every group in use, at a few sizes up to the largest one asked for.
  void add_ladders() {
    constexpr std::array ops{Collective::all_reduce,
                             Collective::all_gather,
                             Collective::reduce_scatter,
                             Collective::all_to_all,
                             Collective::send_recv};
    const auto asked = collectives_;
    std::map<std::pair<GroupShape, DataType>, std::pair<std::int64_t, PlannedCollective>> largest;
    for (const auto& [key, planned] : asked) {
      auto& [bytes, example] = largest[{key.group, key.type}];
      if (key.bytes > bytes) {
        bytes = key.bytes;
        example = planned;
      }
    }
    for (const auto& [group, most] : largest) {
      for (const Collective op : ops) {
        for (std::int64_t bytes = 4096; bytes <= std::min(most.first, largest_rung); bytes *= 16) {
          PlannedCollective rung = most.second;
          rung.key.op = op;
          // Divisible into whole elements by every rank of the group.
          rung.key.bytes = bytes / (rung.key.group.ranks * 4) * rung.key.group.ranks * 4;
          add(rung);
        }
      }
    }
  }

  [[nodiscard]] MeasurementPlan sorted() const {
    MeasurementPlan plan;
    plan.kernels.assign(kernels_.begin(), kernels_.end());
    std::ranges::stable_sort(plan.kernels, std::greater<>(), rough_cost);
    for (const auto& [key, planned] : collectives_) {
      plan.collectives.push_back(planned);
    }
    std::ranges::stable_sort(plan.collectives,
                             std::greater<>(),
                             [](const PlannedCollective& planned) { return planned.key.bytes; });
    return plan;
  }

 private:
  static constexpr std::int64_t largest_rung = 1 << 24;

  void add(const PlannedCollective& planned) {
    if (planned.key.group.ranks > 1 && planned.key.bytes > 0) {
      collectives_.emplace(planned.key, planned);
    }
  }

  void add(const std::vector<WorkItem>& items, const ParallelLayout& layout) {
    for (const WorkItem& item : items) {
      if (const auto* collective = std::get_if<CollectiveWork>(&item.work)) {
        add({collective->key, collective->group, layout});
      } else {
        kernels_.insert(std::get<KernelWork>(item.work).key);
      }
    }
  }

  std::set<KernelKey> kernels_;
  std::map<CollectiveKey, PlannedCollective> collectives_;
};

}  // namespace

MeasurementPlan plan_measurement(const std::vector<Job>& jobs, const Placement& placement) {
  Plan plan;
  for (const Job& job : jobs) {
    plan.add(job, placement);
  }
  plan.add_ladders();
  return plan.sorted();
}

}  // namespace forerun
