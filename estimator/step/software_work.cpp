// The kernels that depend on the training framework: attention that stores its scores, dropout,
// fused biases and norms, separate gradient accumulation.
#include <utility>

#include "estimator/step/work_builder.hpp"

namespace forerun {

// Models without biases are trained without dropout (LLaMA, arXiv 2302.13971, and after it).
bool WorkBuilder::has_dropout(bool has_bias) const {
  return job_.recipe.software.dropout && has_bias;
}

bool WorkBuilder::fuses_bias_gelu() const {
  return job_.recipe.software.fuses_bias && job_.model.mlp_bias &&
         job_.model.activation == Activation::gelu;
}

bool WorkBuilder::recomputes(bool RecomputeModules::*module) const {
  return job_.recipe.recompute.kind == Recompute::selective &&
         job_.recipe.recompute.modules.*module;
}

void WorkBuilder::attention_core_forward(std::vector<WorkItem>& items,
                                         std::int64_t layer,
                                         Part part) const {
  if (job_.recipe.software.attention == AttentionMethod::unfused) {
    unfused_core_forward(items, layer, part);
    return;
  }
  if (job_.layout.context > 1) {
    context_core_forward(items, layer, part);
    return;
  }
  own_attention_forward(items, attention_key(KernelOp::attention_forward, layer), layer, part);
}

void WorkBuilder::unfused_core_forward(std::vector<WorkItem>& items,
                                       std::int64_t layer,
                                       Part part) const {
  const TensorId qkv{TensorName::qkv, layer};
  const TensorId scores{TensorName::scores, layer};
  const TensorId probabilities{TensorName::probabilities, layer};
  const TensorId dropped{TensorName::dropped, layer};
  const bool drops = has_dropout(job_.model.attention.output_bias);
  items.push_back(
      {part, KernelWork{attention_key(KernelOp::scores_forward, layer), {qkv, scores}}, {}});
  items.push_back(
      {part,
       KernelWork{attention_key(KernelOp::softmax_forward, layer), {scores, probabilities}},
       {}});
  if (drops) {
    items.push_back({part,
                     KernelWork{score_rows_key(KernelOp::dropout_forward),
                                {probabilities, dropped, {TensorName::attention_mask, layer}}},
                     {}});
  }
  items.push_back(
      {part,
       KernelWork{attention_key(KernelOp::context_forward, layer),
                  {drops ? dropped : probabilities, qkv, {TensorName::attended, layer}}},
       {}});
}

void WorkBuilder::unfused_core_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const TensorId qkv{TensorName::qkv, layer};
  const TensorId probabilities{TensorName::probabilities, layer};
  const TensorId dropped{TensorName::dropped, layer};
  const TensorId scores = gradient_of({TensorName::scores, layer});
  const TensorId values{TensorName::value_gradient, layer, true};
  const bool drops = has_dropout(job_.model.attention.output_bias);
  items.push_back({Part::compute,
                   KernelWork{attention_key(KernelOp::context_backward, layer),
                              {drops ? dropped : probabilities,
                               qkv,
                               gradient_of({TensorName::attended, layer}),
                               gradient_of(drops ? dropped : probabilities),
                               values}},
                   {}});
  if (drops) {
    items.push_back({Part::compute,
                     KernelWork{score_rows_key(KernelOp::dropout_backward),
                                {gradient_of(dropped),
                                 {TensorName::attention_mask, layer},
                                 gradient_of(probabilities)}},
                     {}});
  }
  items.push_back({Part::compute,
                   KernelWork{attention_key(KernelOp::softmax_backward, layer),
                              {probabilities, gradient_of(probabilities), scores}},
                   {}});
  items.push_back({Part::compute,
                   KernelWork{attention_key(KernelOp::scores_backward, layer),
                              {scores, qkv, values, gradient_of(qkv)}},
                   {}});
}

WorkBuilder::Residual WorkBuilder::attention_residual(std::int64_t layer) const {
  return {TensorName::b_out,
          TensorName::projected,
          TensorName::projected_mask,
          {TensorName::hidden, layer},
          kind_of(job_.model, layer).ffn == FeedForward::none
              ? TensorId{TensorName::hidden, layer + 1}
              : middle(layer),
          job_.model.attention.output_bias && mixer_of(layer) == Mixer::attention,
          post_norm1(layer)};
}

WorkBuilder::Residual WorkBuilder::mlp_residual(std::int64_t layer) const {
  return {TensorName::b_down,
          TensorName::down,
          TensorName::down_mask,
          middle(layer),
          {TensorName::hidden, layer + 1},
          job_.model.mlp_bias && kind_of(job_.model, layer).ffn == FeedForward::dense,
          post_norm2(layer)};
}

void WorkBuilder::residual_forward(std::vector<WorkItem>& items,
                                   const Residual& residual,
                                   std::int64_t layer,
                                   Part part) const {
  const TensorId branch{residual.branch, layer};
  const TensorId bias{residual.bias, layer};
  if (has_dropout(residual.has_bias)) {
    items.push_back(
        {part,
         KernelWork{rows_key(KernelOp::bias_dropout_add_forward, size_.row_tokens, size_.hidden),
                    {branch, bias, residual.stream, residual.sum, {residual.mask, layer}}},
         {}});
    return;
  }
  if (residual.has_bias) {
    add_bias(items,
             bias,
             branch,
             rows_key(KernelOp::bias_forward, size_.row_tokens, size_.hidden),
             part);
  }
  const TensorId added = post_norm_forward(items, residual.post_norm, part);
  items.push_back({part,
                   KernelWork{rows_key(KernelOp::add, size_.row_tokens, size_.hidden),
                              {residual.stream, added, residual.sum}},
                   {}});
}

TensorId WorkBuilder::residual_backward(std::vector<WorkItem>& items,
                                        const Residual& residual,
                                        std::int64_t layer,
                                        TensorId arriving) const {
  TensorId gradient = post_norm_backward(items, residual.post_norm, arriving);
  if (has_dropout(residual.has_bias)) {
    gradient = {TensorName::undropped, layer, true};
    items.push_back(
        {Part::compute,
         KernelWork{rows_key(KernelOp::dropout_backward, size_.row_tokens, size_.hidden),
                    {arriving, {residual.mask, layer}, gradient}},
         {}});
  }
  if (residual.has_bias) {
    add_bias(items,
             {residual.bias, layer},
             gradient,
             rows_key(KernelOp::bias_backward, size_.row_tokens, size_.hidden),
             Part::compute);
  }
  return gradient;
}

void WorkBuilder::norm_and_sum_backward(std::vector<WorkItem>& items,
                                        const Norm3& norm,
                                        TensorId gradient,
                                        TensorId beside,
                                        TensorId sum) const {
  if (!job_.recipe.software.fuses_residual_norm) {
    const TensorId branch{TensorName::branch, norm.layer, true};
    norm_backward(items, norm, gradient, branch);
    items.push_back(
        {Part::compute,
         KernelWork{rows_key(KernelOp::add, size_.row_tokens, size_.hidden), {beside, branch, sum}},
         {}});
    return;
  }
  const TensorId weight{norm.weight, norm.weight_layer};
  std::vector<TensorId> operands{{norm.input, norm.layer},
                                 weight,
                                 {norm.stats, norm.layer},
                                 gradient,
                                 beside,
                                 sum,
                                 gradient_of(weight)};
  KernelOp op = KernelOp::add_rms_norm_backward;
  if (job_.model.norm == Norm::layer_norm) {
    op = KernelOp::add_layer_norm_backward;
    operands.push_back(gradient_of({norm.bias, norm.weight_layer}));
  }
  items.push_back({Part::compute,
                   KernelWork{rows_key(op, size_.row_tokens, size_.hidden), std::move(operands)},
                   {}});
}

}  // namespace forerun
