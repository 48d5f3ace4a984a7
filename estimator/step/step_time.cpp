#include "estimator/step/step_time.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "estimator/step/pipeline_schedule.hpp"
#include "jobs/parameter_count.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct PassTime {
  Seconds compute;
  Seconds recompute;
  Seconds tensor_parallel;

  [[nodiscard]] Seconds total() const { return compute + recompute + tensor_parallel; }

  PassTime& operator+=(const PassTime& other) {
    compute += other.compute;
    recompute += other.recompute;
    tensor_parallel += other.tensor_parallel;
    return *this;
  }
};

PassTime operator*(double count, PassTime pass) {
  pass.compute *= count;
  pass.recompute *= count;
  pass.tensor_parallel *= count;
  return pass;
}

// Remembers prices and how much of the step each tier carries.
class Pricing {
 public:
  Pricing(const PriceList& prices, Overlap overlap) : prices_(prices), overlap_(overlap) {}

  const Price& of(const KernelKey& key) {
    const auto found = kernels_.find(key);
    return found != kernels_.end() ? found->second
                                   : kernels_.emplace(key, prices_.kernel(key)).first->second;
  }

  const Price& of(const CollectiveKey& key) {
    const auto found = collectives_.find(key);
    return found != collectives_.end()
               ? found->second
               : collectives_.emplace(key, prices_.collective(key)).first->second;
  }

  // Exposed time of one item.
  Price exposed(const WorkItem& item) {
    if (const auto* kernel = std::get_if<KernelWork>(&item.work)) {
      return of(kernel->key);
    }
    const auto& collective = std::get<CollectiveWork>(item.work);
    Price price = of(collective.key);
    if (overlap_ == Overlap::on && collective.hides_under) {
      price.time = std::max(Seconds(), price.time - of(*collective.hides_under).time);
    }
    return price;
  }

  PassTime pass(const std::vector<WorkItem>& items) {
    PassTime sum;
    for (const WorkItem& item : items) {
      const Seconds time = exposed(item).time;
      switch (item.part) {
        case Part::recompute:
          sum.recompute += time;
          break;
        case Part::tensor_parallel:
        case Part::data_parallel:
          sum.tensor_parallel += time;
          break;
        case Part::compute:
        case Part::optimizer:
          sum.compute += time;
          break;
      }
    }
    return sum;
  }

  static void count(const Price& price, double times, Provenance& provenance) {
    const double weight = times * price.time.in(unit::second);
    provenance.share[static_cast<std::size_t>(price.tier)] += weight;
    provenance.relative_error += weight * price.relative_error;
  }

  [[nodiscard]] Overlap overlap() const { return overlap_; }

 private:
  const PriceList& prices_;
  Overlap overlap_;
  std::map<KernelKey, Price> kernels_;
  std::map<CollectiveKey, Price> collectives_;
};

struct StageCost {
  std::vector<PassTime> forward;  // by local chunk, one micro-batch
  std::vector<PassTime> backward;
};

struct TailCost {
  Seconds tensor_parallel;
  Seconds data_parallel;
  Seconds optimizer;

  [[nodiscard]] Seconds total() const { return tensor_parallel + data_parallel + optimizer; }
};

// The exposed part of a data-parallel collective that may run bucket by bucket beside `cover`: the
// first (or last) bucket never hides. Megatron's default bucket is max(40e6, 1e6 n) parameters
// (modelling.md 2.5).
Seconds beside(Seconds time, Seconds cover, double parameters, double ranks) {
  const double buckets = std::max(1.0, std::ceil(parameters / std::max(40e6, 1e6 * ranks)));
  return std::max(time / buckets, time - cover * ((buckets - 1.0) / buckets));
}

Seconds sum_of(const std::vector<PassTime>& passes) {
  Seconds sum;
  for (const PassTime& pass : passes) {
    sum += pass.total();
  }
  return sum;
}

TailCost tail_cost(Pricing& pricing, const StageWork& work, const StageCost& cost) {
  TailCost tail;
  const auto parameters = static_cast<double>(work.weights.parameters);
  for (const WorkItem& item : work.tail) {
    Seconds time = pricing.exposed(item).time;
    switch (item.part) {
      case Part::tensor_parallel:
        tail.tensor_parallel += time;
        break;
      case Part::data_parallel: {
        const auto& collective = std::get<CollectiveWork>(item.work);
        if (pricing.overlap() == Overlap::on && collective.group == GroupKind::data_context) {
          const Seconds cover = collective.key.op == Collective::all_gather ? sum_of(cost.forward)
                                                                            : sum_of(cost.backward);
          time = beside(time, cover, parameters, static_cast<double>(collective.key.group.ranks));
        }
        tail.data_parallel += time;
        break;
      }
      case Part::optimizer:
      case Part::compute:
      case Part::recompute:
        tail.optimizer += time;
        break;
    }
  }
  return tail;
}

PipelineCosts pipeline_costs(const std::vector<StageCost>& stages,
                             Seconds message,
                             Exchange exchange) {
  PipelineCosts costs;
  costs.message = message;
  costs.exchange = exchange;
  for (const StageCost& stage : stages) {
    std::vector<Seconds> forward;
    std::vector<Seconds> backward;
    for (std::size_t chunk = 0; chunk < stage.forward.size(); ++chunk) {
      forward.push_back(stage.forward[chunk].total());
      backward.push_back(stage.backward[chunk].total());
    }
    costs.forward.push_back(std::move(forward));
    costs.backward.push_back(std::move(backward));
  }
  return costs;
}

// Interleaving overlaps its messages on GPUs; plain 1F1B waits for them (modelling.md 2.3).
Exchange exchange_of(const Job& job, Overlap overlap) {
  return overlap == Overlap::on && job.layout.virtual_pipeline > 1 ? Exchange::overlapped
                                                                   : Exchange::blocking;
}

Provenance provenance_of(Pricing& pricing, const Job& job, const StageWork& work) {
  Provenance provenance;
  const auto count = static_cast<double>(micro_batches(job));
  for (const ChunkWork& chunk : work.chunks) {
    for (const auto* items : {&chunk.forward, &chunk.backward}) {
      for (const WorkItem& item : *items) {
        Pricing::count(pricing.exposed(item), count, provenance);
      }
    }
  }
  for (const WorkItem& item : work.tail) {
    Pricing::count(pricing.exposed(item), 1.0, provenance);
  }
  if (work.boundary) {
    const double messages = 2.0 * count * static_cast<double>(work.chunks.size());
    Pricing::count(pricing.of(*work.boundary), messages, provenance);
  }
  double all = 0.0;
  for (const double share : provenance.share) {
    all += share;
  }
  for (double& share : provenance.share) {
    share = all > 0.0 ? share / all : 0.0;
  }
  provenance.relative_error = all > 0.0 ? provenance.relative_error / all : 0.0;
  return provenance;
}

Flops executed(const std::vector<WorkItem>& items) {
  Flops sum;
  for (const WorkItem& item : items) {
    if (const auto* kernel = std::get_if<KernelWork>(&item.work)) {
      sum += hardware_flops(kernel->key);
    }
  }
  return sum;
}

Flops hardware_flops_of(const Job& job, const std::vector<StageWork>& works) {
  Flops per_replica;
  for (const StageWork& work : works) {
    Flops micro_batch;
    for (const ChunkWork& chunk : work.chunks) {
      micro_batch += executed(chunk.forward) + executed(chunk.backward);
    }
    per_replica += static_cast<double>(micro_batches(job)) * micro_batch + executed(work.tail);
  }
  return static_cast<double>(job.layout.tensor * job.layout.data * job.layout.context) *
         per_replica;
}

// The stages of a job with what their passes and their tails cost.
struct PricedStages {
  std::vector<StageWork> works;
  std::vector<StageCost> costs;
  std::vector<TailCost> tails;
  Seconds message;
};

void add_stage(StageWork work, Pricing& pricing, PricedStages& stages) {
  StageCost cost;
  for (const ChunkWork& chunk : work.chunks) {
    cost.forward.push_back(pricing.pass(chunk.forward));
    cost.backward.push_back(pricing.pass(chunk.backward));
  }
  if (work.boundary) {
    stages.message = pricing.of(*work.boundary).time;
  }
  stages.tails.push_back(tail_cost(pricing, work, cost));
  stages.costs.push_back(std::move(cost));
  stages.works.push_back(std::move(work));
}

// Schedules the pipeline and takes the parts of the stage with the most work, which is returned.
// What it waits is bubble as far as it remains with messages that cost nothing.
std::size_t add_timeline(const Job& job,
                         Exchange exchange,
                         const PricedStages& stages,
                         StepBreakdown& breakdown) {
  const PipelineShape shape{job.layout.pipeline, job.layout.virtual_pipeline, micro_batches(job)};
  const auto simulate = [&](Seconds message) {
    return simulate_pipeline(
        schedule_of(job), shape, pipeline_costs(stages.costs, message, exchange));
  };
  // When the last stage is done with its tail.
  const auto finish = [&](const std::vector<StageTimes>& times) {
    Seconds last;
    for (std::size_t stage = 0; stage < times.size(); ++stage) {
      last = std::max(last, times[stage].end + stages.tails[stage].total());
    }
    return last;
  };
  const auto times = simulate(stages.message);
  const auto work_of = [&](std::size_t stage) {
    return times[stage].busy + stages.tails[stage].total();
  };
  std::size_t slowest = 0;
  for (std::size_t stage = 1; stage < times.size(); ++stage) {
    slowest = work_of(stage) > work_of(slowest) ? stage : slowest;
  }
  PassTime passes;
  for (std::size_t chunk = 0; chunk < stages.costs[slowest].forward.size(); ++chunk) {
    passes += static_cast<double>(shape.micro_batches) * stages.costs[slowest].forward[chunk];
    passes += static_cast<double>(shape.micro_batches) * stages.costs[slowest].backward[chunk];
  }
  const Seconds without_messages = finish(simulate(Seconds()));
  breakdown.compute = passes.compute;
  breakdown.recompute = passes.recompute;
  breakdown.tensor_parallel = passes.tensor_parallel + stages.tails[slowest].tensor_parallel;
  breakdown.bubble = std::max(Seconds(), without_messages - work_of(slowest));
  breakdown.pipeline_p2p = std::max(Seconds(), finish(times) - without_messages);
  breakdown.data_parallel = stages.tails[slowest].data_parallel;
  breakdown.optimizer = stages.tails[slowest].optimizer;
  return slowest;
}

}  // namespace

Seconds total_of(const StepBreakdown& b) {
  return b.compute + b.recompute + b.tensor_parallel + b.pipeline_p2p + b.bubble + b.data_parallel +
         b.optimizer;
}

StepEstimate estimate_step(const Job& job,
                           const Placement& placement,
                           const PriceList& prices,
                           Overlap overlap,
                           const MemoryOverheads& overheads) {
  Pricing pricing(prices, overlap);
  PricedStages stages;
  StepEstimate estimate;
  for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
    add_stage(stage_work(job, placement, stage), pricing, stages);
    estimate.memory.push_back(stage_memory(job, stages.works.back(), overheads));
  }
  const std::size_t slowest =
      add_timeline(job, exchange_of(job, overlap), stages, estimate.breakdown);
  estimate.slowest_stage = static_cast<std::int64_t>(slowest);
  estimate.bubble_fraction = estimate.breakdown.bubble / total_of(estimate.breakdown);
  estimate.provenance = provenance_of(pricing, job, stages.works[slowest]);
  const auto tokens = static_cast<double>(job.recipe.global_batch * job.recipe.sequence);
  estimate.model_flops = tokens * model_flops_per_token(job.model, job.recipe.sequence);
  estimate.hardware_flops = hardware_flops_of(job, stages.works);
  return estimate;
}

}  // namespace forerun
