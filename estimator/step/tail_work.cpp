// What follows the last micro-batch, and what ZeRO shards: gradient reductions, optimizer,
// parameter gathers.
#include <algorithm>
#include <utility>

#include "estimator/step/work_builder.hpp"
#include "jobs/chunk_placement.hpp"

namespace forerun {

std::int64_t WorkBuilder::gradient_ranks() const {
  return job_.layout.data * job_.layout.context;
}

bool WorkBuilder::has_master_weights() const {
  return type_ != DataType::fp32 && job_.recipe.software.keeps_master_weights;
}

bool WorkBuilder::reduces_every_micro_batch() const {
  return state_shards(job_).gradients > 1;
}

DataType WorkBuilder::format_of(GradientFormat format) const {
  return format == GradientFormat::fp32 ? DataType::fp32 : type_;
}

WorkItem WorkBuilder::weights_collective(
    Collective op, DataType type, std::int64_t elements, TensorId tensor, GroupKind group) const {
  return grid_collective(
      Part::data_parallel, {op, bytes_of(elements, type), type, {}}, group, tensor, tensor);
}

void WorkBuilder::gather_units(std::vector<WorkItem>& items,
                               std::int64_t layer,
                               const std::vector<std::int64_t>& units) const {
  if (job_.recipe.zero != ZeroStage::parameters || gradient_ranks() == 1) {
    return;
  }
  for (const std::int64_t elements : units) {
    WorkItem item = weights_collective(
        Collective::all_gather, type_, elements, {TensorName::layer_weight, layer});
    std::get<CollectiveWork>(item.work).key.group = shard_groups().shards;
    items.push_back(std::move(item));
  }
}

void WorkBuilder::gather_experts(std::vector<WorkItem>& items,
                                 std::int64_t layer,
                                 std::int64_t elements) const {
  if (job_.recipe.zero == ZeroStage::parameters && grid_.expert_data() > 1 && elements > 0) {
    items.push_back(weights_collective(Collective::all_gather,
                                       type_,
                                       elements,
                                       {TensorName::layer_expert_weight, layer},
                                       GroupKind::expert_data));
  }
}

void WorkBuilder::reduce_layer_experts(std::vector<WorkItem>& items,
                                       std::int64_t layer,
                                       std::int64_t elements) const {
  if (expert_state_shards(job_).gradients > 1 && elements > 0) {
    items.push_back(weights_collective(Collective::reduce_scatter,
                                       format_of(job_.recipe.software.gradient_reduce),
                                       elements,
                                       {TensorName::layer_expert_gradient, layer},
                                       GroupKind::expert_data));
  }
}

void WorkBuilder::reduce_layer(std::vector<WorkItem>& items,
                               std::int64_t layer,
                               std::int64_t elements) const {
  if (!reduces_every_micro_batch() || elements == 0) {
    return;
  }
  const DataType sent = format_of(job_.recipe.software.gradient_reduce);
  const TensorId gradient{TensorName::layer_gradient, layer};
  WorkItem scatter = weights_collective(Collective::reduce_scatter, sent, elements, gradient);
  const ShardGroups groups = shard_groups();
  std::get<CollectiveWork>(scatter.work).key.group = groups.shards;
  items.push_back(std::move(scatter));
  if (groups.replicas.ranks > 1) {
    WorkItem sum =
        weights_collective(Collective::all_reduce, sent, elements / groups.shards.ranks, gradient);
    std::get<CollectiveWork>(sum.work).key.group = groups.replicas;
    items.push_back(std::move(sum));
  }
}

WorkBuilder::ShardGroups WorkBuilder::shard_groups() const {
  const std::int64_t ranks = state_shards(job_).gradients;
  if (ranks == gradient_ranks()) {
    return {grid_.shape(GroupKind::data_context, ranks_per_node_), {}};
  }
  // The replicas' axis cut in two, the shards within: as `context` and `data` of another grid.
  RankOrder order = grid_.order();
  auto* const context = std::ranges::find(order, GridDimension::context);
  auto* const data = std::ranges::find(order, GridDimension::data);
  if (data < context) {
    std::iter_swap(context, data);
  }
  const ProcessGrid split({.tensor = job_.layout.tensor,
                           .context = ranks,
                           .data = gradient_ranks() / ranks,
                           .pipeline = job_.layout.pipeline},
                          order);
  return {split.shape(GroupKind::context, ranks_per_node_),
          split.shape(GroupKind::data, ranks_per_node_)};
}

std::vector<WorkItem> WorkBuilder::tail(const StageWeights& weights, std::int64_t stage) const {
  std::vector<WorkItem> items;
  share_key_value_gradients(items, weights);
  reduce_gradients(items, weights, stage);
  update_weights(items, weights);
  cast_weights(items, weights);
  const std::int64_t gradients = weights.elements / state_shards(job_).gradients +
                                 weights.expert_elements / expert_state_shards(job_).gradients;
  if (gradients > 0) {
    items.push_back(
        {Part::optimizer,
         KernelWork{
             {KernelOp::zero, format_of(job_.recipe.software.gradients), FlatShape{gradients}},
             {{TensorName::flat_gradient}}},
         {}});
  }
  return items;
}

// Two copies of the model run against each other (dualpipe): stages r and p - 1 - r hold the same
// weights and sum their gradients.
void WorkBuilder::sum_copies(std::vector<WorkItem>& items,
                             const StageWeights& weights,
                             std::int64_t stage) const {
  if (placement_of(schedule_of(job_)) != ChunkPlacement::bidirectional) {
    return;
  }
  const DataType sent = format_of(job_.recipe.software.gradient_reduce);
  const std::int64_t other = job_.layout.pipeline - 1 - stage;
  const TensorId gradient{TensorName::flat_gradient};
  WorkItem sum =
      grid_collective(Part::data_parallel,
                      {Collective::all_reduce,
                       bytes_of(weights.elements / state_shards(job_).gradients +
                                    weights.expert_elements / expert_state_shards(job_).gradients,
                                sent),
                       sent,
                       {}},
                      GroupKind::embedding,
                      gradient,
                      gradient);
  GroupShape& group = std::get<CollectiveWork>(sum.work).key.group;
  group = {2, stays_on_node(stage, other) ? 2 : 1, group.concurrent};
  items.push_back(std::move(sum));
}

void WorkBuilder::reduce_gradients(std::vector<WorkItem>& items,
                                   const StageWeights& weights,
                                   std::int64_t stage) const {
  const DataType sent = format_of(job_.recipe.software.gradient_reduce);
  if (weights.tensor_summed_elements > 0) {
    const TensorId norms{TensorName::replicated_gradient};
    items.push_back(grid_collective(Part::tensor_parallel,
                                    {Collective::all_reduce,
                                     bytes_of(weights.tensor_summed_elements, DataType::fp32),
                                     DataType::fp32,
                                     {}},
                                    GroupKind::tensor,
                                    norms,
                                    norms));
  }
  sum_copies(items, weights, stage);
  // A V brings both ends of the model to one stage; else the tied embedding lies on two.
  const bool is_end = stage == 0 || stage == job_.layout.pipeline - 1;
  const bool is_apart = placement_of(schedule_of(job_)) == ChunkPlacement::looping;
  const bool trains_ends = job_.recipe.tuning == Tuning::full;
  if (trains_ends && job_.model.tied_embeddings && job_.layout.pipeline > 1 && is_end && is_apart) {
    const TensorId embedding = gradient_of({TensorName::w_embedding});
    items.push_back(grid_collective(
        Part::data_parallel,
        {Collective::all_reduce, bytes_of(size_.vocabulary * size_.hidden, sent), sent, {}},
        GroupKind::embedding,
        embedding,
        embedding));
  }
  if (gradient_ranks() > 1 && !reduces_every_micro_batch() && weights.elements > 0) {
    const bool sharded = job_.recipe.zero != ZeroStage::none;
    items.push_back(
        weights_collective(sharded ? Collective::reduce_scatter : Collective::all_reduce,
                           sent,
                           weights.elements,
                           {TensorName::flat_gradient}));
  }
  const bool reduces_late = expert_state_shards(job_).gradients == 1;
  if (grid_.expert_data() > 1 && weights.expert_elements > 0 && reduces_late) {
    const bool sharded = job_.recipe.zero != ZeroStage::none;
    items.push_back(
        weights_collective(sharded ? Collective::reduce_scatter : Collective::all_reduce,
                           sent,
                           weights.expert_elements,
                           {TensorName::expert_flat_gradient},
                           GroupKind::expert_data));
  }
}

void WorkBuilder::condition_gradients(std::vector<WorkItem>& items,
                                      std::int64_t elements,
                                      std::int64_t expert_elements) const {
  const Software& software = job_.recipe.software;
  const TensorId gradient{TensorName::flat_gradient};
  const TensorId of_experts{TensorName::expert_flat_gradient};
  const auto flat = [&](KernelOp op, DataType type, const auto& operands_for) {
    for (const auto& [count, id] :
         {std::pair{elements, gradient}, std::pair{expert_elements, of_experts}}) {
      if (count > 0) {
        items.push_back(
            {Part::optimizer, KernelWork{{op, type, FlatShape{count}}, operands_for(id)}, {}});
      }
    }
  };
  using Ids = std::vector<TensorId>;
  if (software.gradients == GradientFormat::training && has_master_weights()) {
    flat(KernelOp::widen, type_, [](TensorId id) { return Ids{id, id}; });
  }
  if (software.scales_loss && type_ == DataType::fp16) {
    flat(KernelOp::scale, DataType::fp32, [](TensorId id) { return Ids{id}; });
  }
  if (software.clips_gradients) {
    const TensorId norm{TensorName::gradient_norm};
    flat(KernelOp::square_sum, DataType::fp32, [&](TensorId id) { return Ids{id, norm}; });
    items.push_back(grid_collective(Part::optimizer,
                                    {Collective::all_reduce, 4, DataType::fp32, {}},
                                    GroupKind::world,
                                    norm,
                                    norm));
    flat(KernelOp::scale, DataType::fp32, [](TensorId id) { return Ids{id}; });
  }
}

void WorkBuilder::update_weights(std::vector<WorkItem>& items, const StageWeights& weights) const {
  using enum TensorName;
  const bool sharded = job_.recipe.zero != ZeroStage::none;
  const std::int64_t elements = weights.elements / state_shards(job_).optimizer;
  const std::int64_t experts = weights.expert_elements / expert_state_shards(job_).optimizer;
  condition_gradients(items, elements, experts);
  const auto update = [&](std::int64_t count, std::vector<TensorId> state) {
    const bool has_master = has_master_weights();
    if (!has_master) {  // gradient, weight, moments; 16-bit weights are priced as those of 32
      state = {state[0], state[4], state[2], state[3]};
    }
    const DataType type = has_master ? type_ : DataType::fp32;
    if (count > 0) {
      items.push_back({Part::optimizer,
                       KernelWork{{KernelOp::adamw, type, FlatShape{count}}, std::move(state)},
                       {}});
    }
  };
  update(elements, {{flat_gradient}, {flat_master}, {flat_moment1}, {flat_moment2}, {flat_weight}});
  update(experts,
         {{expert_flat_gradient},
          {expert_flat_master},
          {expert_flat_moment1},
          {expert_flat_moment2},
          {expert_flat_weight}});
  // ZeRO-3 gathers layer by layer instead.
  if (!sharded || job_.recipe.zero == ZeroStage::parameters) {
    return;
  }
  // An element of 8 bits is half of one of 16.
  const auto gathered_elements = [&](std::int64_t all, bool of_experts) {
    return all - narrow_elements(job_.recipe, weights, of_experts) / 2;
  };
  if (gradient_ranks() > 1 && weights.elements > 0) {
    items.push_back(weights_collective(
        Collective::all_gather, type_, gathered_elements(weights.elements, false), {flat_weight}));
  }
  if (grid_.expert_data() > 1 && weights.expert_elements > 0) {
    items.push_back(weights_collective(Collective::all_gather,
                                       type_,
                                       gathered_elements(weights.expert_elements, true),
                                       {expert_flat_weight},
                                       GroupKind::expert_data));
  }
}

}  // namespace forerun
