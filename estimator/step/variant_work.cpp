// What only some decoders have: rope of a part, norms of outputs, biased and capped logits, KV
// heads that tensor ranks share.
#include "estimator/step/work_builder.hpp"

namespace forerun {
namespace {

// Gradients of KV heads that tensor ranks share, into their places in the exchange or back.
void copy_shared_rows(std::vector<WorkItem>& items,
                      const StageWeights& weights,
                      bool into_exchange) {
  for (const SharedRows& rows : weights.shared_rows) {
    const TensorId own{rows.is_bias ? TensorName::kv_bias_gradient : TensorName::kv_gradient,
                       rows.layer};
    const TensorId slot{rows.is_bias ? TensorName::kv_bias_slot : TensorName::kv_slot, rows.layer};
    items.push_back({Part::tensor_parallel,
                     KernelWork{{KernelOp::copy, DataType::fp32, FlatShape{rows.elements}},
                                {into_exchange ? own : slot, into_exchange ? slot : own}},
                     {}});
  }
}

}  // namespace

bool WorkBuilder::has_rope(std::int64_t layer) const {
  return job_.model.position == Position::rope && kind_of(job_.model, layer).rope;
}

KernelKey WorkBuilder::rope_key(KernelOp op) const {
  KernelKey key = heads_key(op);
  std::get<HeadsShape>(key.shape).rotary_size = job_.model.attention.rotary_size;
  return key;
}

KernelOp WorkBuilder::activation_op(bool forward) const {
  switch (job_.model.activation) {
    case Activation::swiglu:
      return forward ? KernelOp::swiglu_forward : KernelOp::swiglu_backward;
    case Activation::geglu:
      return forward ? KernelOp::geglu_forward : KernelOp::geglu_backward;
    case Activation::relu:
      return forward ? KernelOp::relu_forward : KernelOp::relu_backward;
    case Activation::relu_squared:
      return forward ? KernelOp::relu_squared_forward : KernelOp::relu_squared_backward;
    case Activation::gelu:
      break;
  }
  return forward ? KernelOp::gelu_forward : KernelOp::gelu_backward;
}

void WorkBuilder::activation_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const TensorId up = gradient_of({TensorName::up, layer});
  const TensorId activated = gradient_of({TensorName::activated, layer});
  if (fuses_bias_gelu()) {
    items.push_back(
        {Part::compute,
         KernelWork{rows_key(KernelOp::bias_gelu_backward, size_.tokens, size_.ffn),
                    {{TensorName::up, layer}, {TensorName::b_up, layer}, activated, up}},
         {}});
  } else {
    items.push_back({Part::compute,
                     KernelWork{rows_key(activation_op(false), size_.tokens, size_.ffn),
                                {{TensorName::up, layer}, activated, up}},
                     {}});
  }
  if (job_.model.mlp_bias) {
    add_bias(items,
             {TensorName::b_up, layer},
             up,
             rows_key(KernelOp::bias_backward, size_.tokens, size_.up_width),
             Part::compute);
  }
}

TensorId WorkBuilder::post_norm_forward(std::vector<WorkItem>& items,
                                        const Norm3& norm,
                                        Part part) const {
  if (!job_.model.post_norms) {
    return {norm.input, norm.layer};
  }
  norm_forward(items, norm, part);
  return {norm.output, norm.layer};
}

TensorId WorkBuilder::post_norm_backward(std::vector<WorkItem>& items,
                                         const Norm3& norm,
                                         TensorId arriving) const {
  if (!job_.model.post_norms) {
    return arriving;
  }
  const TensorId gradient = gradient_of({norm.input, norm.layer});
  norm_backward(items, norm, arriving, gradient);
  return gradient;
}

WorkBuilder::Norm3 WorkBuilder::post_norm1(std::int64_t layer) {
  return {TensorName::w_post_norm1,
          TensorName::b_post_norm1,
          TensorName::projected,
          TensorName::post1,
          TensorName::post1_stats,
          layer,
          layer};
}

WorkBuilder::Norm3 WorkBuilder::post_norm2(std::int64_t layer) {
  return {TensorName::w_post_norm2,
          TensorName::b_post_norm2,
          TensorName::down,
          TensorName::post2,
          TensorName::post2_stats,
          layer,
          layer};
}

WorkBuilder::Norm3 WorkBuilder::embedding_norm() {
  return {TensorName::w_embedding_norm,
          TensorName::b_embedding_norm,
          TensorName::unnormed,
          TensorName::hidden,
          TensorName::embedding_stats,
          -1,
          0};
}

TensorId WorkBuilder::scored_logits() const {
  return {job_.model.logit_softcap ? TensorName::capped : TensorName::logits, job_.model.layers};
}

TensorId WorkBuilder::finish_logits(std::vector<WorkItem>& items) const {
  const TensorId logits{TensorName::logits, job_.model.layers};
  if (job_.model.head_bias) {
    add_bias(items,
             {TensorName::b_head},
             logits,
             rows_key(KernelOp::bias_forward, size_.tokens, size_.vocabulary),
             Part::compute);
  }
  if (job_.model.logit_softcap) {
    items.push_back({Part::compute,
                     KernelWork{rows_key(KernelOp::softcap_forward, size_.tokens, size_.vocabulary),
                                {logits, scored_logits()}},
                     {}});
  }
  return scored_logits();
}

// The gradient stands where the loss read its logits.
void WorkBuilder::logits_backward(std::vector<WorkItem>& items) const {
  const TensorId gradient = scored_logits();
  if (job_.model.logit_softcap) {
    items.push_back(
        {Part::compute,
         KernelWork{rows_key(KernelOp::softcap_backward, size_.tokens, size_.vocabulary),
                    {{TensorName::logits, job_.model.layers}, gradient, gradient}},
         {}});
  }
  if (job_.model.head_bias) {
    add_bias(items,
             {TensorName::b_head},
             gradient,
             rows_key(KernelOp::bias_backward, size_.tokens, size_.vocabulary),
             Part::compute);
  }
}

// As Megatron sums the gradients of replicated norms: copied into one buffer, summed over the
// tensor group, copied back. The buffer has a place for every KV head, zero where another rank's
// lies.
void WorkBuilder::share_key_value_gradients(std::vector<WorkItem>& items,
                                            const StageWeights& weights) const {
  if (weights.shared_rows.empty()) {
    return;
  }
  const TensorId exchange{TensorName::kv_exchange};
  if (job_.model.attention.kv_heads > 1) {
    items.push_back(
        {Part::tensor_parallel,
         KernelWork{{KernelOp::zero, DataType::fp32, FlatShape{weights.exchange_elements}},
                    {exchange}},
         {}});
  }
  copy_shared_rows(items, weights, true);
  items.push_back(
      grid_collective(Part::tensor_parallel,
                      {Collective::all_reduce, 4 * weights.exchange_elements, DataType::fp32, {}},
                      GroupKind::tensor,
                      exchange,
                      exchange));
  copy_shared_rows(items, weights, false);
}

}  // namespace forerun
