#include "estimator/step/step_time.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "estimator/step/part_work.hpp"
#include "estimator/step/pipeline_simulation.hpp"
#include "estimator/step/step_pieces.hpp"
#include "estimator/step/tail_cost.hpp"
#include "estimator/step/teacher.hpp"
#include "jobs/chunk_placement.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/integer.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// All passes of one micro-batch through a stage.
ChunkPass sum_of(const StageCost& stage, ChunkPass ChunkCost::*pass) {
  ChunkPass sum;
  for (const ChunkCost& chunk : stage.chunks) {
    sum += chunk.*pass;
  }
  return sum;
}

StageCost price_stage(const Job& job,
                      const WorkBuilder& builder,
                      std::int64_t stage,
                      Pricing& pricing,
                      ChunkCosts& costs) {
  StageCost cost;
  for (const ChunkContent& content : contents_of_stage(job, stage)) {
    cost.chunks.push_back(costs.chunk(content));
  }
  const StageWeights weights = stage_weights(job, stage);
  cost.tail = tail_cost(pricing,
                        priced_tail(pricing,
                                    builder.tail(weights, stage),
                                    weights.parameters + weights.expert_parameters,
                                    replicas_of(job),
                                    tail_offload(job, weights, costs.link())),
                        cover_of(sum_of(cost, &ChunkCost::forward)),
                        cover_of(sum_of(cost, &ChunkCost::backward)));
  return cost;
}

enum class Messages { priced, free };

PipelineCosts pipeline_costs(const PricedStages& priced,
                             std::int64_t micro_batches,
                             Messages messages,
                             const Streams& streams) {
  PipelineCosts costs;
  costs.exchange = streams.exchange;
  if (messages == Messages::priced) {
    costs.messages = priced.messages;
  }
  for (const StageCost& stage : priced.stages) {
    for (const ChunkCost& chunk : stage.chunks) {
      costs.passes.push_back(pass_costs(chunk, micro_batches, streams.hidden));
    }
  }
  return costs;
}

Provenance provenance_of(const Job& job, const PricedStages& priced, const StageCost& stage) {
  const auto count = static_cast<double>(micro_batches_per_chunk(job));
  PricedTime time = count * (sum_of(stage, &ChunkCost::forward).cost.priced);
  time += count * sum_of(stage, &ChunkCost::backward).cost.priced;
  time += stage.tail.priced;
  time += 2.0 * count * static_cast<double>(stage.chunks.size()) * priced.priced_message;
  Provenance provenance;
  const double all = std::accumulate(time.seconds.begin(), time.seconds.end(), 0.0);
  for (std::size_t tier = 0; tier < time.seconds.size(); ++tier) {
    provenance.share[tier] = all > 0.0 ? time.seconds[tier] / all : 0.0;
  }
  provenance.relative_error = all > 0.0 ? time.uncertain_seconds / all : 0.0;
  return provenance;
}

Flops hardware_flops_of(const Job& job, const PricedStages& priced) {
  Flops per_replica;
  for (const StageCost& stage : priced.stages) {
    const Flops micro_batch = sum_of(stage, &ChunkCost::forward).cost.flops +
                              sum_of(stage, &ChunkCost::backward).cost.flops;
    per_replica +=
        static_cast<double>(micro_batches_per_chunk(job)) * micro_batch + stage.tail.flops;
  }
  return static_cast<double>(job.layout.tensor * job.layout.data * job.layout.context) *
         per_replica;
}

// Schedules the pipeline and takes the parts of the stage with the most work, which is returned.
// What it waits is bubble as far as it remains with messages that cost nothing. Of its passes'
// communication, what the partners of paired passes hide does not count.
std::size_t add_timeline(const Job& job,
                         const Streams& streams,
                         const PricedStages& priced,
                         StepBreakdown& breakdown) {
  const PipelineShape shape = pipeline_shape(job);
  const std::int64_t per_chunk = micro_batches_per_chunk(job);
  const PipelineProgram program = pipeline_program(schedule_of(job), shape);
  const auto simulate = [&](Messages messages) {
    PipelineScratch scratch;
    const auto times =
        simulate_pipeline(program, pipeline_costs(priced, per_chunk, messages, streams), scratch);
    return std::vector<StageTimes>(times.begin(), times.end());
  };
  // When the last stage is done with its tail.
  const auto finish = [&](const std::vector<StageTimes>& times) {
    Seconds last;
    for (std::size_t stage = 0; stage < times.size(); ++stage) {
      last = std::max(last, times[stage].end + priced.stages[stage].tail.total());
    }
    return last;
  };
  const auto times = simulate(Messages::priced);
  const auto work_of = [&](std::size_t stage) {
    return times[stage].busy + priced.stages[stage].tail.total();
  };
  std::size_t slowest = 0;
  for (std::size_t stage = 1; stage < times.size(); ++stage) {
    slowest = work_of(stage) > work_of(slowest) ? stage : slowest;
  }
  const StageCost& stage = priced.stages[slowest];
  ChunkPass passes = sum_of(stage, &ChunkCost::forward);
  passes += sum_of(stage, &ChunkCost::backward);
  const Seconds first_accumulation = passes.cost.accumulation;
  passes = static_cast<double>(per_chunk) * passes;
  const Seconds without_messages = finish(simulate(Messages::free));
  breakdown.compute = passes.cost.compute - first_accumulation;
  breakdown.recompute = passes.cost.recompute;
  breakdown.tensor_parallel = passes.cost.tensor_parallel + stage.tail.tensor_parallel;
  breakdown.context_parallel = passes.cost.context_parallel;
  breakdown.expert_parallel = passes.cost.expert_parallel;
  if (pairs_passes(schedule_of(job))) {
    // What a pass of one micro-batch hides of the exchanges of another.
    const Seconds all = passes.cost.communication();
    const Seconds hidden = passes.total() - first_accumulation - times[slowest].busy;
    if (all > Seconds()) {
      breakdown.tensor_parallel -= hidden * (passes.cost.tensor_parallel / all);
      breakdown.context_parallel -= hidden * (passes.cost.context_parallel / all);
      breakdown.expert_parallel -= hidden * (passes.cost.expert_parallel / all);
    }
  }
  if (shape.stages > 1) {
    breakdown.bubble = std::max(Seconds(), without_messages - work_of(slowest));
  }
  breakdown.pipeline_p2p = std::max(Seconds(), finish(times) - without_messages);
  breakdown.data_parallel = passes.data_parallel + stage.tail.data_parallel;
  breakdown.optimizer = stage.tail.optimizer;
  breakdown.offload = passes.offload + stage.tail.offload;
  breakdown.contention = passes.cost.contention + stage.tail.contention;
  breakdown.host = passes.host;
  return slowest;
}

StepPipeline pipeline_of(const Job& job, const Streams& streams, const PricedStages& priced) {
  StepPipeline pipeline{
      schedule_of(job),
      pipeline_shape(job),
      pipeline_costs(priced, micro_batches_per_chunk(job), Messages::priced, streams),
      {}};
  for (const StageCost& stage : priced.stages) {
    pipeline.tails.push_back({{Activity::tensor_parallel, stage.tail.tensor_parallel},
                              {Activity::data_parallel, stage.tail.data_parallel},
                              {Activity::optimizer, stage.tail.optimizer + stage.tail.contention},
                              {Activity::offload, stage.tail.offload}});
  }
  return pipeline;
}

}  // namespace

void price_messages(const WorkBuilder& builder, Pricing& pricing, PricedStages& stages) {
  const auto boundaries = builder.boundaries();
  for (const BoundaryWork& boundary : boundaries) {
    Seconds time;
    const auto add = [&](const CollectiveKey& key) {
      const Price& price = pricing.of(key);
      time += price.time;
      stages.priced_message.add(price, price.time / static_cast<double>(boundaries.size()));
    };
    add(boundary.message);
    if (boundary.gather) {
      add(*boundary.gather);
    }
    stages.messages.push_back(time);
  }
}

PassCosts pass_costs(const ChunkCost& chunk, std::int64_t micro_batches, double hidden) {
  const ChunkPass& forward = chunk.forward;
  const ChunkPass& backward = chunk.backward;
  const auto unaccumulated = [&](const ChunkPass& pass) {
    return pass.cost.accumulation / static_cast<double>(micro_batches);
  };
  PassCosts costs;
  costs.forward = forward.total();
  costs.recompute = backward.cost.recompute;
  costs.backward_weight = chunk.backward_weight.total() - unaccumulated(chunk.backward_weight);
  costs.backward_input =
      backward.total() - unaccumulated(backward) - costs.recompute - costs.backward_weight;
  costs.forward_exchange = hidden * forward.cost.expert_parallel;
  costs.backward_exchange = hidden * backward.cost.expert_parallel;
  costs.forward_offload = forward.offload;
  costs.backward_offload = backward.offload;
  costs.forward_wire = forward.cost.wire;
  costs.backward_wire = backward.cost.wire;
  return costs;
}

Streams streams_of(const Job& job, const Pricing& pricing, std::int64_t message_bytes) {
  if (pricing.overlap() == Overlap::off) {
    return {0.0, Exchange::blocking};
  }
  ComputeMix products;
  products.of(OverlapCompute::gemm) = 1.0 * unit::second;
  const auto messages = pricing.speed_beside(products, Collective::send_recv, message_bytes);
  const bool overlaps =
      job.layout.virtual_pipeline > 1 && (!messages || messages->collective >= 0.5);
  return {gained_share(pricing.speed_beside(products, Collective::all_to_all, message_bytes)),
          overlaps ? Exchange::overlapped : Exchange::blocking};
}

Seconds total_of(const StepBreakdown& b) {
  return b.compute + b.recompute + b.tensor_parallel + b.context_parallel + b.expert_parallel +
         b.pipeline_p2p + b.bubble + b.data_parallel + b.optimizer + b.offload + b.contention +
         b.host + b.straggler;
}

StepEstimate estimate_step(const Job& job,
                           const Placement& placement,
                           const PriceList& prices,
                           const StepSettings& settings) {
  Pricing pricing(prices, job.recipe.software, settings.overlap);
  const WorkBuilder builder(job, placement);
  PartWorks works(job, builder);
  ChunkCosts costs(job, works, pricing, settings.host);
  PricedStages priced;
  StepEstimate estimate;
  estimate.memory = step_memory(job, builder, settings.overheads);
  for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
    priced.stages.push_back(price_stage(job, builder, stage, pricing, costs));
  }
  price_messages(builder, pricing, priced);
  if (job.teacher) {
    add_teacher(job, placement, pricing, settings.host, priced);
    add_teacher(job, placement, settings.overheads, estimate.memory);
  }
  const auto boundaries = builder.boundaries();
  const Streams streams =
      streams_of(job, pricing, boundaries.empty() ? 0 : boundaries.front().message.bytes);
  const std::size_t slowest = add_timeline(job, streams, priced, estimate.breakdown);
  estimate.pipeline = pipeline_of(job, streams, priced);
  // Whole nodes lag from step to step; every step waits for the last of them.
  const std::int64_t nodes =
      ceil_div(world_size(job.layout), ranks_per_node(placement, job.layout));
  estimate.breakdown.straggler =
      (straggler_factor(settings.stragglers, nodes) - 1.0) * total_of(estimate.breakdown);
  estimate.slowest_stage = static_cast<std::int64_t>(slowest);
  estimate.bubble_fraction = estimate.breakdown.bubble / total_of(estimate.breakdown);
  estimate.provenance = provenance_of(job, priced, priced.stages[slowest]);
  const auto tokens = static_cast<double>(job.recipe.global_batch * job.recipe.sequence);
  estimate.model_flops = tokens * training_flops_per_token(job);
  estimate.hardware_flops = hardware_flops_of(job, priced);
  return estimate;
}

}  // namespace forerun
