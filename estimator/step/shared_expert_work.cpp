// Shared experts: one FFN for all tokens beside the routed ones, with or without a gate.
#include "estimator/step/work_builder.hpp"

namespace forerun {

WorkBuilder::Linear WorkBuilder::shared_up_linear(std::int64_t layer) const {
  return {TensorName::w_shared_up,
          sequence_parallel() ? TensorName::norm2_full : TensorName::norm2,
          TensorName::shared_up,
          layer,
          layer,
          size_.hidden,
          up_factor(job_.model) * experts_.shared_ffn};
}

WorkBuilder::Linear WorkBuilder::shared_down_linear(std::int64_t layer) const {
  return {TensorName::w_shared_down,
          TensorName::shared_activated,
          sequence_parallel() ? TensorName::shared_down_full : TensorName::shared_down,
          layer,
          layer,
          experts_.shared_ffn,
          size_.hidden};
}

void WorkBuilder::shared_forward(std::vector<WorkItem>& items,
                                 std::int64_t layer,
                                 Part part) const {
  const Part exchange = part == Part::recompute ? Part::recompute : Part::tensor_parallel;
  const TensorId down{TensorName::shared_down, layer};
  gather(items, {TensorName::norm2, layer}, {TensorName::norm2_full, layer}, exchange);
  linear_forward(items, shared_up_linear(layer), part);
  items.push_back(
      {part,
       KernelWork{rows_key(activation_op(true), size_.tokens, experts_.shared_ffn),
                  {{TensorName::shared_up, layer}, {TensorName::shared_activated, layer}}},
       {}});
  linear_forward(items, shared_down_linear(layer), part);
  reduce(items, {TensorName::shared_down_full, layer}, down, exchange);
  TensorId added = down;
  if (job_.model.moe->shared_gate) {
    added = {TensorName::shared_gated, layer};
    linear_forward(items, shared_gate_linear(layer), part);
    items.push_back(
        {part,
         KernelWork{rows_key(KernelOp::row_gate_forward, size_.row_tokens, size_.hidden),
                    {down, {TensorName::shared_gate_logits, layer}, added}},
         {}});
  }
  items.push_back({part,
                   KernelWork{rows_key(KernelOp::add, size_.row_tokens, size_.hidden),
                              {{TensorName::routed, layer}, added, {TensorName::down, layer}}},
                   {}});
}

// The gradient of what the gate scales; that of norm2 joins the others later.
TensorId WorkBuilder::shared_gate_backward(std::vector<WorkItem>& items,
                                           std::int64_t layer,
                                           TensorId arriving) const {
  const TensorId down{TensorName::shared_down, layer};
  const TensorId logits{TensorName::shared_gate_logits, layer};
  items.push_back({Part::compute,
                   KernelWork{rows_key(KernelOp::row_gate_backward, size_.row_tokens, size_.hidden),
                              {down, logits, arriving, gradient_of(down), gradient_of(logits)}},
                   {}});
  linear_dgrad(items,
               shared_gate_linear(layer),
               gradient_of(logits),
               gradient_of({TensorName::norm2_of_gate, layer}));
  linear_wgrad(items, shared_gate_linear(layer), gradient_of(logits));
  return gradient_of(down);
}

void WorkBuilder::shared_backward(std::vector<WorkItem>& items,
                                  std::int64_t layer,
                                  TensorId arriving) const {
  if (job_.model.moe->shared_gate) {
    arriving = shared_gate_backward(items, layer, arriving);
  }
  const TensorId full = gradient_of({TensorName::shared_down_full, layer});
  const TensorId up = gradient_of({TensorName::shared_up, layer});
  const TensorId activated = gradient_of({TensorName::shared_activated, layer});
  gather(items, arriving, full, Part::tensor_parallel);
  linear_dgrad(items, shared_down_linear(layer), gathered(arriving, full), activated);
  linear_wgrad(items, shared_down_linear(layer), gathered(arriving, full));
  items.push_back({Part::compute,
                   KernelWork{rows_key(activation_op(false), size_.tokens, experts_.shared_ffn),
                              {{TensorName::shared_up, layer}, activated, up}},
                   {}});
  input_gradient(items,
                 shared_up_linear(layer),
                 {.input = {TensorName::norm2, layer},
                  .input_full = {TensorName::norm2_full, layer},
                  .gradient = up,
                  .to = gradient_of({TensorName::norm2_of_shared, layer}),
                  .to_full = gradient_of({TensorName::norm2_of_shared_full, layer})});
}

}  // namespace forerun
