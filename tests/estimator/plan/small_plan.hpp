// Subjects and spaces that are small enough to price exhaustively.
#pragma once

#include <string>

#include "estimator/estimate/estimate.hpp"
#include "estimator/plan/layout_search.hpp"
#include "jobs/read_model.hpp"

namespace forerun {

struct SmallPlan {
  HardwareSource hardware;
  PlanSubject subject;
  SearchSpace space;
};

inline SmallPlan small_plan(const std::string& model,
                            const std::string& cluster,
                            std::int64_t devices,
                            std::int64_t batch,
                            std::int64_t sequence) {
  SmallPlan plan;
  plan.hardware = sized_for(read_hardware(cluster), devices);
  PlanSubject& subject = plan.subject;
  subject.model = read_model(model);
  subject.recipe.global_batch = batch;
  subject.recipe.sequence = sequence;
  subject.recipe.software = *software_preset("megatron-core");
  subject.placement = {plan.hardware.cluster.devices_per_node, megatron_order};
  subject.prices = prices_of(plan.hardware, Strictness::any_tier);
  subject.capacity = plan.hardware.cluster.device.memory;
  subject.overheads = [](const ParallelLayout& layout) { return gpu_overheads(layout); };
  SearchSpace& space = plan.space;
  space.layouts = every_layout(subject.model, devices);
  space.micro_batches = every_micro_batch(batch);
  space.schedules = every_schedule();
  space.sequence_parallel = {SequenceParallel::on, SequenceParallel::off};
  space.shardings = every_sharding(plan.hardware.cluster.devices_per_node);
  space.recompute = every_recompute();
  space.overlaps = {Overlap::on, Overlap::off};
  return plan;
}

inline SearchResult walk_all(const SmallPlan& plan, Seconds give_up_at = Seconds::infinite()) {
  LayoutSearch search(plan.subject, plan.space);
  SearchResult result;
  for (const ParallelLayout& layout : plan.space.layouts) {
    search.walk(layout, give_up_at, result);
  }
  return result;
}

}  // namespace forerun
