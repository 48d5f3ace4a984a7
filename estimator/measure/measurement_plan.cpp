#include "estimator/measure/measurement_plan.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include "estimator/measure/collective_sizes.hpp"

namespace forerun {
namespace {

// A size, and the pass in which it is measured.
struct Rung {
  std::int64_t bytes = 0;
  int pass = 0;
};

// Powers of two that every rank can share in whole elements of any format.
std::vector<Rung> ladder(std::int64_t smallest, std::int64_t largest, std::int64_t ranks) {
  constexpr std::int64_t widest_element = 4;
  std::vector<Rung> rungs;
  int octave = 0;
  for (const std::int64_t bytes : powers_of_two(smallest, largest, ranks * widest_element)) {
    rungs.push_back({bytes, octave % 4 == 0 ? 1 : (octave % 2 == 0 ? 2 : 3)});
    ++octave;
  }
  return rungs;
}

void sort_for_measuring(std::vector<PlannedCollective>& collectives) {
  // Groups are split once for all that follow one another. What a step asks for goes from the
  // dearest down; of the sizes between, many small ones cost less than one large one.
  std::ranges::stable_sort(collectives, std::less<>(), [](const PlannedCollective& planned) {
    return std::tuple(planned.pass,
                      planned.layout,
                      planned.group,
                      planned.pass == 0 ? -planned.key.bytes : planned.key.bytes);
  });
}

class Plan {
 public:
  explicit Plan(std::int64_t smallest) : smallest_(smallest) {}

  void add(const Job& job, const Placement& placement) {
    for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
      const StageWork work = stage_work(job, placement, stage);
      for (const ChunkWork& chunk : work.chunks) {
        add(chunk.forward, job.layout);
        add(chunk.backward, job.layout);
      }
      add(work.tail, job.layout);
      if (work.boundary) {
        add({.key = *work.boundary, .group = GroupKind::pipeline, .layout = job.layout});
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
        for (const Rung& rung :
             ladder(smallest_, std::min(most.first, largest_rung), most.second.key.group.ranks)) {
          PlannedCollective planned = most.second;
          planned.key.op = op;
          planned.key.bytes = rung.bytes;
          planned.pass = rung.pass;
          planned.in_place = false;
          add(planned);
        }
      }
    }
  }

  [[nodiscard]] MeasurementPlan sorted() const {
    MeasurementPlan plan;
    plan.kernels.assign(kernels_.begin(), kernels_.end());
    for (const auto& [key, planned] : collectives_) {
      plan.collectives.push_back(planned);
    }
    sort_for_measuring(plan.collectives);
    return plan;
  }

 private:
  // Sixteen times the size from which two parameters describe every public table (1 MB,
  // modelling.md 3.5), so that the last octaves show the slope to go on with. Larger sizes that a
  // step asks for are measured themselves.
  static constexpr std::int64_t largest_rung = 1 << 24;

  void add(const PlannedCollective& planned) {
    if (planned.key.group.ranks > 1 && planned.key.bytes > 0) {
      const auto [known, is_new] = collectives_.emplace(planned.key, planned);
      if (!is_new && planned.pass == 0) {
        known->second.in_place = known->second.in_place && planned.in_place;
      }
    }
  }

  void add(const std::vector<WorkItem>& items, const ParallelLayout& layout) {
    for (const WorkItem& item : items) {
      if (const auto* collective = std::get_if<CollectiveWork>(&item.work)) {
        add({.key = collective->key,
             .group = collective->group,
             .layout = layout,
             .in_place = collective->from == collective->to});
      } else {
        kernels_.insert(std::get<KernelWork>(item.work).key);
      }
    }
  }

  std::int64_t smallest_;
  std::set<KernelKey> kernels_;
  std::map<CollectiveKey, PlannedCollective> collectives_;
};

}  // namespace

MeasurementPlan plan_measurement(const std::vector<Job>& jobs,
                                 const Placement& placement,
                                 std::int64_t smallest) {
  Plan plan(smallest);
  for (const Job& job : jobs) {
    plan.add(job, placement);
  }
  plan.add_ladders();
  return plan.sorted();
}

std::vector<PlannedCollective> plan_collectives(const GroupShape& world,
                                                std::int64_t smallest,
                                                std::int64_t largest) {
  std::vector<PlannedCollective> collectives;
  for (const Collective op : {Collective::all_reduce,
                              Collective::all_gather,
                              Collective::reduce_scatter,
                              Collective::all_to_all,
                              Collective::broadcast,
                              Collective::send_recv}) {
    for (const DataType type : {DataType::fp32, DataType::bf16}) {
      for (const Rung& rung : ladder(smallest, largest, world.ranks)) {
        collectives.push_back({{op, rung.bytes, type, world},
                               GroupKind::data_context,
                               {.data = world.ranks},
                               rung.pass});
      }
    }
  }
  sort_for_measuring(collectives);
  return collectives;
}

}  // namespace forerun
