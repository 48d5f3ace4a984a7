// Layers whose attention and FFN read the same input. Their outputs are added before one reduction
// over the tensor group, as EleutherAI's GPT-NeoX does for its parallel residual.
#include "estimator/step/work_builder.hpp"

namespace forerun {

void WorkBuilder::parallel_forward(std::vector<WorkItem>& items,
                                   std::int64_t layer,
                                   Part part) const {
  const Part exchange = part == Part::recompute ? Part::recompute : Part::tensor_parallel;
  const KernelKey bias = rows_key(KernelOp::bias_forward, size_.row_tokens, size_.hidden);
  const TensorId joined{TensorName::joined, layer};
  const TensorId joined_full{TensorName::joined_full, layer};

  norm_forward(items, norm1(layer), part);
  attention_forward(items, layer, part);
  linear_forward(items, out_linear(layer), part);
  if (job_.model.block == Block::parallel_two_norms) {
    norm_forward(items, norm2(layer), part);
  }
  mlp_forward(items, layer, part);
  linear_forward(items, down_linear(layer), part);
  items.push_back({part,
                   KernelWork{rows_key(KernelOp::add, size_.tokens, size_.hidden),
                              {{out_linear(layer).output, layer},
                               {down_linear(layer).output, layer},
                               partial(joined, joined_full)}},
                   {}});
  reduce(items, joined_full, joined, exchange);
  if (job_.model.attention.output_bias) {
    add_bias(items, {TensorName::b_out, layer}, joined, bias, part);
  }
  if (job_.model.mlp_bias) {
    add_bias(items, {TensorName::b_down, layer}, joined, bias, part);
  }
  items.push_back(
      {part,
       KernelWork{rows_key(KernelOp::add, size_.row_tokens, size_.hidden),
                  {{TensorName::hidden, layer}, joined, {TensorName::hidden, layer + 1}}},
       {}});
}

void WorkBuilder::parallel_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const KernelKey bias = rows_key(KernelOp::bias_backward, size_.row_tokens, size_.hidden);
  const TensorId arriving = gradient_of({TensorName::hidden, layer + 1});
  const TensorId full = gradient_of({TensorName::joined_full, layer});
  if (job_.model.mlp_bias) {
    add_bias(items, {TensorName::b_down, layer}, arriving, bias, Part::compute);
  }
  if (job_.model.attention.output_bias) {
    add_bias(items, {TensorName::b_out, layer}, arriving, bias, Part::compute);
  }
  gather(items, arriving, full, Part::tensor_parallel);
  const TensorId joined = gathered(arriving, full);
  linear_dgrad(items, down_linear(layer), joined, gradient_of({TensorName::activated, layer}));
  linear_wgrad(items, down_linear(layer), joined);
  activation_backward(items, layer);
  linear_dgrad(items, out_linear(layer), joined, gradient_of({TensorName::attended, layer}));
  linear_wgrad(items, out_linear(layer), joined);
  attention_core_backward(items, layer);
  if (job_.model.block == Block::parallel) {
    one_norm_backward(items, layer);
  } else {
    two_norms_backward(items, layer);
  }
}

// One gather of the norm serves both products' weights; what both send back is added before it is
// reduced.
void WorkBuilder::one_norm_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const TensorId norm = gradient_of({TensorName::norm1, layer});
  const TensorId norm_full = gradient_of({TensorName::norm1_full, layer});
  const TensorId sum = partial(norm, norm_full);
  const TensorId of_ffn = partial(gradient_of({TensorName::norm2, layer}),
                                  gradient_of({TensorName::norm2_full, layer}));
  const TensorId branch{TensorName::branch, layer, true};
  const TensorId up = gradient_of({TensorName::up, layer});
  const TensorId qkv = gradient_of({TensorName::qkv, layer});

  const std::size_t gather_at = items.size();
  gather(items, {TensorName::norm1, layer}, {TensorName::norm1_full, layer}, Part::tensor_parallel);
  linear_dgrad(items, up_linear(layer), up, of_ffn);
  if (auto* first = std::get_if<CollectiveWork>(&items[gather_at].work)) {
    first->hides_under = std::get<KernelWork>(items.back().work).key;
  }
  linear_wgrad(items, up_linear(layer), up);
  linear_dgrad(items, qkv_linear(layer), qkv, sum);
  items.push_back(
      {Part::compute,
       KernelWork{rows_key(KernelOp::add, size_.tokens, size_.hidden), {of_ffn, sum, sum}},
       {}});
  linear_wgrad(items, qkv_linear(layer), qkv);
  const KernelKey wgrad = std::get<KernelWork>(items.back().work).key;
  const std::size_t reduce_at = items.size();
  reduce(items, norm_full, norm, Part::tensor_parallel);
  if (reduce_at < items.size()) {
    std::get<CollectiveWork>(items[reduce_at].work).hides_under = wgrad;
  }
  norm_backward(items, norm1(layer), norm, branch);
  items.push_back({Part::compute,
                   KernelWork{rows_key(KernelOp::add, size_.row_tokens, size_.hidden),
                              {gradient_of({TensorName::hidden, layer + 1}),
                               branch,
                               gradient_of({TensorName::hidden, layer})}},
                   {}});
}

void WorkBuilder::two_norms_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const KernelKey sum = rows_key(KernelOp::add, size_.row_tokens, size_.hidden);
  const TensorId branch{TensorName::branch, layer, true};
  const TensorId hidden = gradient_of({TensorName::hidden, layer});
  input_gradient(items,
                 up_linear(layer),
                 {.input = {TensorName::norm2, layer},
                  .input_full = {TensorName::norm2_full, layer},
                  .gradient = gradient_of({TensorName::up, layer}),
                  .to = gradient_of({TensorName::norm2, layer}),
                  .to_full = gradient_of({TensorName::norm2_full, layer})});
  norm_backward(items, norm2(layer), gradient_of({TensorName::norm2, layer}), branch);
  items.push_back({Part::compute,
                   KernelWork{sum, {gradient_of({TensorName::hidden, layer + 1}), branch, hidden}},
                   {}});
  input_gradient(items,
                 qkv_linear(layer),
                 {.input = {TensorName::norm1, layer},
                  .input_full = {TensorName::norm1_full, layer},
                  .gradient = gradient_of({TensorName::qkv, layer}),
                  .to = gradient_of({TensorName::norm1, layer}),
                  .to_full = gradient_of({TensorName::norm1_full, layer})});
  norm_backward(items, norm1(layer), gradient_of({TensorName::norm1, layer}), branch);
  items.push_back({Part::compute, KernelWork{sum, {hidden, branch, hidden}}, {}});
}

}  // namespace forerun
