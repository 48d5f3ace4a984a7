// The two ends of the model: embedding, head with its loss.
#include <utility>

#include "estimator/step/work_builder.hpp"

namespace forerun {

void WorkBuilder::embedding_forward(std::vector<WorkItem>& items) const {
  const TensorId full{TensorName::embedded, 0};
  const TensorId hidden{job_.model.embedding_norm ? TensorName::unnormed : TensorName::hidden, 0};
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
             table_key(KernelOp::position_forward, size_.row_tokens, position_rows(job_.model)),
             {{TensorName::w_position}, hidden}},
         {}});
  }
  if (job_.model.embedding_scale) {
    items.push_back(
        {Part::compute,
         KernelWork{{KernelOp::scale, type_, FlatShape{size_.row_tokens * size_.hidden}}, {hidden}},
         {}});
  }
  if (job_.model.embedding_norm) {
    norm_forward(items, embedding_norm(), Part::compute);
  }
}

void WorkBuilder::embedding_backward(std::vector<WorkItem>& items) const {
  const TensorId hidden =
      gradient_of({job_.model.embedding_norm ? TensorName::unnormed : TensorName::hidden, 0});
  const TensorId full = gradient_of({TensorName::embedded, 0});
  if (job_.model.embedding_norm) {
    norm_backward(items, embedding_norm(), gradient_of({TensorName::hidden, 0}), hidden);
  }
  if (job_.model.embedding_scale) {
    items.push_back(
        {Part::compute,
         KernelWork{{KernelOp::scale, type_, FlatShape{size_.row_tokens * size_.hidden}}, {hidden}},
         {}});
  }
  if (job_.model.position == Position::learned) {
    items.push_back(
        {Part::compute,
         KernelWork{
             table_key(KernelOp::position_backward, size_.row_tokens, position_rows(job_.model)),
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

CrossEntropy WorkBuilder::cross_entropy() const {
  return type_ == DataType::fp32 ? CrossEntropy::fused : job_.recipe.software.cross_entropy;
}

TensorId WorkBuilder::scored_by(CrossEntropy method) const {
  switch (method) {
    case CrossEntropy::fused:
      return scored_logits();
    case CrossEntropy::vocab_parallel:
      return {TensorName::logits_fp32, job_.model.layers};
    case CrossEntropy::torch:
      return {TensorName::log_probabilities, job_.model.layers};
  }
  return {};
}

void WorkBuilder::head_forward(std::vector<WorkItem>& items) const {
  const std::int64_t end = job_.model.layers;
  const TensorId row_max{TensorName::row_max, end};
  const TensorId sums{TensorName::row_sums, end};
  const CrossEntropy method = cross_entropy();
  const auto loss_key = [&](KernelOp op) {
    KernelKey key = rows_key(op, size_.tokens, size_.vocabulary);
    key.type = method == CrossEntropy::fused ? type_ : DataType::fp32;
    return key;
  };
  norm_forward(items, final_norm(), Part::compute);
  gather(
      items, {TensorName::final_norm, end}, {TensorName::final_full, end}, Part::tensor_parallel);
  linear_forward(items, head_linear(), Part::compute);
  const TensorId logits = finish_logits(items);
  const TensorId wide{TensorName::logits_fp32, end};
  if (method != CrossEntropy::fused) {
    items.push_back(
        {Part::compute,
         KernelWork{{KernelOp::widen, type_, FlatShape{size_.tokens * size_.vocabulary}},
                    {logits, wide}},
         {}});
  }
  const TensorId scored = scored_by(method);
  if (scored.name == TensorName::log_probabilities) {
    items.push_back(
        {Part::compute,
         KernelWork{{KernelOp::copy, DataType::fp32, FlatShape{size_.tokens * size_.vocabulary}},
                    {wide, scored}},
         {}});
  }
  items.push_back(
      {Part::compute, KernelWork{loss_key(KernelOp::cross_entropy_max), {scored, row_max}}, {}});
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
                   KernelWork{loss_key(KernelOp::cross_entropy_sum),
                              {scored, row_max, {TensorName::targets}, sums}},
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
  const TensorId logits = scored_logits();
  const TensorId norm = gradient_of({TensorName::final_norm, end});
  const CrossEntropy method = cross_entropy();
  const TensorId scored = scored_by(method);
  const TensorId by_probabilities = gradient_of({TensorName::log_probabilities, end});
  if (method == CrossEntropy::torch) {
    items.push_back(
        {Part::compute,
         KernelWork{{KernelOp::zero, DataType::fp32, FlatShape{size_.tokens * size_.vocabulary}},
                    {by_probabilities}},
         {}});
  }
  KernelKey key = rows_key(KernelOp::cross_entropy_gradient, size_.tokens, size_.vocabulary);
  key.type = method == CrossEntropy::fused ? type_ : DataType::fp32;
  items.push_back({Part::compute,
                   KernelWork{key,
                              {scored,
                               {TensorName::row_max, end},
                               {TensorName::row_sums, end},
                               {TensorName::targets},
                               {TensorName::row_loss, end}}},
                   {}});
  TensorId wide = scored;
  if (method == CrossEntropy::torch) {
    wide = {TensorName::logits_fp32_difference, end};
    KernelKey sum = rows_key(KernelOp::add, size_.tokens, size_.vocabulary);
    sum.type = DataType::fp32;
    items.push_back({Part::compute, KernelWork{sum, {scored, by_probabilities, wide}}, {}});
  }
  if (method != CrossEntropy::fused) {
    items.push_back(
        {Part::compute,
         KernelWork{{KernelOp::narrow, type_, FlatShape{size_.tokens * size_.vocabulary}},
                    {wide, logits}},
         {}});
  }
  logits_backward(items);
  input_gradient(items,
                 head_linear(),
                 {.input = {TensorName::final_norm, end},
                  .input_full = {TensorName::final_full, end},
                  .gradient = logits,
                  .to = norm,
                  .to_full = gradient_of({TensorName::final_full, end})});
  norm_backward(items, final_norm(), norm, gradient_of({TensorName::hidden, end}));
}

}  // namespace forerun
