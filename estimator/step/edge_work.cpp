// The two ends of the model, and what follows the last micro-batch: embedding, head with its loss,
// gradient reductions and optimizer.
#include <utility>

#include "estimator/step/work_builder.hpp"

namespace forerun {

void WorkBuilder::embedding_forward(std::vector<WorkItem>& items) const {
  const TensorId full{TensorName::embedded, 0};
  const TensorId hidden{TensorName::hidden, 0};
  items.push_back(
      {Part::compute,
       KernelWork{table_key(KernelOp::embedding_forward, size_.tokens, size_.vocabulary),
                  {{TensorName::tokens}, {TensorName::w_embedding}, partial(hidden, full)}},
       {}});
  reduce(items, full, hidden, Part::tensor_parallel);
  if (job_.model.position == Position::learned) {
    items.push_back(
        {Part::compute,
         KernelWork{
             table_key(KernelOp::position_forward, size_.row_tokens, job_.model.max_positions),
             {{TensorName::w_position}, hidden}},
         {}});
  }
}

void WorkBuilder::embedding_backward(std::vector<WorkItem>& items) const {
  const TensorId hidden = gradient_of({TensorName::hidden, 0});
  const TensorId full = gradient_of({TensorName::embedded, 0});
  if (job_.model.position == Position::learned) {
    items.push_back(
        {Part::compute,
         KernelWork{
             table_key(KernelOp::position_backward, size_.row_tokens, job_.model.max_positions),
             {hidden, gradient_of({TensorName::w_position})}},
         {}});
  }
  gather(items, hidden, full, Part::tensor_parallel);
  items.push_back(
      {Part::compute,
       KernelWork{
           table_key(KernelOp::embedding_backward, size_.tokens, size_.vocabulary),
           {{TensorName::tokens}, gathered(hidden, full), gradient_of({TensorName::w_embedding})}},
       {}});
}

void WorkBuilder::head_forward(std::vector<WorkItem>& items) const {
  const std::int64_t end = job_.model.layers;
  const TensorId logits{TensorName::logits, end};
  const TensorId row_max{TensorName::row_max, end};
  const TensorId sums{TensorName::row_sums, end};
  norm_forward(items, final_norm(), Part::compute);
  gather(
      items, {TensorName::final_norm, end}, {TensorName::final_full, end}, Part::tensor_parallel);
  linear_forward(items, head_linear(), Part::compute);
  items.push_back({Part::compute,
                   KernelWork{rows_key(KernelOp::cross_entropy_max, size_.tokens, size_.vocabulary),
                              {logits, row_max}},
                   {}});
  if (tensor_parallel()) {
    WorkItem item = grid_collective(Part::tensor_parallel,
                                    {Collective::all_reduce, 4 * size_.tokens, DataType::fp32, {}},
                                    GroupKind::tensor,
                                    row_max,
                                    row_max);
    std::get<CollectiveWork>(item.work).reduce = ReduceOp::max;
    items.push_back(std::move(item));
  }
  items.push_back({Part::compute,
                   KernelWork{rows_key(KernelOp::cross_entropy_sum, size_.tokens, size_.vocabulary),
                              {logits, row_max, {TensorName::targets}, sums}},
                   {}});
  if (tensor_parallel()) {
    items.push_back(grid_collective(Part::tensor_parallel,
                                    {Collective::all_reduce, 8 * size_.tokens, DataType::fp32, {}},
                                    GroupKind::tensor,
                                    sums,
                                    sums));
  }
}

void WorkBuilder::head_backward(std::vector<WorkItem>& items) const {
  const std::int64_t end = job_.model.layers;
  const TensorId logits{TensorName::logits, end};
  const TensorId norm = gradient_of({TensorName::final_norm, end});
  items.push_back(
      {Part::compute,
       KernelWork{rows_key(KernelOp::cross_entropy_gradient, size_.tokens, size_.vocabulary),
                  {logits,
                   {TensorName::row_max, end},
                   {TensorName::row_sums, end},
                   {TensorName::targets},
                   {TensorName::row_loss, end}}},
       {}});
  input_gradient(items,
                 head_linear(),
                 {.input = {TensorName::final_norm, end},
                  .input_full = {TensorName::final_full, end},
                  .gradient = logits,
                  .to = norm,
                  .to_full = gradient_of({TensorName::final_full, end})});
  norm_backward(items, final_norm(), norm, gradient_of({TensorName::hidden, end}));
}

std::vector<WorkItem> WorkBuilder::tail(const StageWeights& weights, std::int64_t stage) const {
  std::vector<WorkItem> items;
  reduce_gradients(items, weights, stage);
  update_weights(items, weights);
  items.push_back({Part::optimizer,
                   KernelWork{{KernelOp::zero, DataType::fp32, FlatShape{weights.elements}},
                              {{TensorName::flat_gradient}}},
                   {}});
  return items;
}

void WorkBuilder::reduce_gradients(std::vector<WorkItem>& items,
                                   const StageWeights& weights,
                                   std::int64_t stage) const {
  if (weights.tensor_summed_elements > 0) {
    const TensorId norms{TensorName::replicated_gradient};
    items.push_back(grid_collective(
        Part::tensor_parallel,
        {Collective::all_reduce, 4 * weights.tensor_summed_elements, DataType::fp32, {}},
        GroupKind::tensor,
        norms,
        norms));
  }
  const bool is_end = stage == 0 || stage == job_.layout.pipeline - 1;
  if (job_.model.tied_embeddings && job_.layout.pipeline > 1 && is_end) {
    const TensorId embedding = gradient_of({TensorName::w_embedding});
    items.push_back(grid_collective(
        Part::data_parallel,
        {Collective::all_reduce, 4 * size_.vocabulary * size_.hidden, DataType::fp32, {}},
        GroupKind::embedding,
        embedding,
        embedding));
  }
  if (job_.layout.data * job_.layout.context > 1) {
    const TensorId gradient{TensorName::flat_gradient};
    const bool sharded = job_.recipe.zero == ZeroStage::optimizer;
    items.push_back(grid_collective(Part::data_parallel,
                                    {sharded ? Collective::reduce_scatter : Collective::all_reduce,
                                     4 * weights.elements,
                                     DataType::fp32,
                                     {}},
                                    GroupKind::data_context,
                                    gradient,
                                    gradient));
  }
}

void WorkBuilder::update_weights(std::vector<WorkItem>& items, const StageWeights& weights) const {
  const TensorId weight{TensorName::flat_weight};
  const bool sharded = job_.recipe.zero == ZeroStage::optimizer;
  const std::int64_t replicas = job_.layout.data * job_.layout.context;
  std::vector<TensorId> state{{TensorName::flat_gradient}};
  if (type_ == DataType::fp32) {
    state.insert(state.end(), {weight, {TensorName::flat_moment1}, {TensorName::flat_moment2}});
  } else {
    state.insert(state.end(),
                 {{TensorName::flat_master},
                  {TensorName::flat_moment1},
                  {TensorName::flat_moment2},
                  weight});
  }
  items.push_back(
      {Part::optimizer,
       KernelWork{{KernelOp::adamw, type_, FlatShape{weights.elements / (sharded ? replicas : 1)}},
                  std::move(state)},
       {}});
  if (replicas > 1 && sharded) {
    const std::int64_t weight_bytes = type_ == DataType::fp32 ? 4 : 2;
    items.push_back(
        grid_collective(Part::data_parallel,
                        {Collective::all_gather, weight_bytes * weights.elements, type_, {}},
                        GroupKind::data_context,
                        weight,
                        weight));
  }
}

}  // namespace forerun
