// The kernels and collectives of one transformer layer, forward and backward.
#include "estimator/step/work_builder.hpp"

namespace forerun {

void WorkBuilder::attention_forward(std::vector<WorkItem>& items,
                                    std::int64_t layer,
                                    Part part) const {
  const AttentionShape& attention = job_.model.attention;
  const Linear qkv = qkv_linear(layer);
  const TensorId raw{qkv.output, layer};
  const TensorId packed{TensorName::qkv, layer};
  gather(items,
         {TensorName::norm1, layer},
         {TensorName::norm1_full, layer},
         part == Part::recompute ? Part::recompute : Part::tensor_parallel);
  linear_forward(items, qkv, part);
  if (attention.qkv_bias) {
    add_bias(items,
             {TensorName::b_qkv, layer},
             raw,
             rows_key(KernelOp::bias_forward, size_.tokens, size_.qkv_width),
             part);
  }
  if (attention.qk_norm) {
    items.push_back({part,
                     KernelWork{heads_key(KernelOp::qk_norm_forward),
                                {raw,
                                 {TensorName::w_q_norm, layer},
                                 {TensorName::w_k_norm, layer},
                                 packed,
                                 {TensorName::qk_stats, layer}}},
                     {}});
  }
  if (job_.model.position == Position::rope) {
    items.push_back({part, KernelWork{heads_key(KernelOp::rope_forward), {packed}}, {}});
  }
  items.push_back(
      {part,
       KernelWork{attention_key(KernelOp::attention_forward),
                  {packed, {TensorName::attended, layer}, {TensorName::log_sum_exp, layer}}},
       {}});
}

void WorkBuilder::mlp_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const {
  const TensorId up{TensorName::up, layer};
  gather(items,
         {TensorName::norm2, layer},
         {TensorName::norm2_full, layer},
         part == Part::recompute ? Part::recompute : Part::tensor_parallel);
  linear_forward(items, up_linear(layer), part);
  if (job_.model.mlp_bias) {
    add_bias(items,
             {TensorName::b_up, layer},
             up,
             rows_key(KernelOp::bias_forward, size_.tokens, size_.up_width),
             part);
  }
  const KernelOp activation = job_.model.activation == Activation::swiglu ? KernelOp::swiglu_forward
                                                                          : KernelOp::gelu_forward;
  items.push_back({part,
                   KernelWork{rows_key(activation, size_.tokens, size_.ffn),
                              {up, {TensorName::activated, layer}}},
                   {}});
}

void WorkBuilder::layer_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const {
  const Part exchange = part == Part::recompute ? Part::recompute : Part::tensor_parallel;
  const KernelKey bias = rows_key(KernelOp::bias_forward, size_.row_tokens, size_.hidden);
  const KernelKey sum = rows_key(KernelOp::add, size_.row_tokens, size_.hidden);
  const TensorId projected{TensorName::projected, layer};
  const TensorId down{TensorName::down, layer};
  const TensorId middle{TensorName::middle, layer};

  norm_forward(items, norm1(layer), part);
  attention_forward(items, layer, part);
  linear_forward(items, out_linear(layer), part);
  reduce(items, {TensorName::projected_full, layer}, projected, exchange);
  if (job_.model.attention.output_bias) {
    add_bias(items, {TensorName::b_out, layer}, projected, bias, part);
  }
  items.push_back({part, KernelWork{sum, {{TensorName::hidden, layer}, projected, middle}}, {}});

  norm_forward(items, norm2(layer), part);
  mlp_forward(items, layer, part);
  linear_forward(items, down_linear(layer), part);
  reduce(items, {TensorName::down_full, layer}, down, exchange);
  if (job_.model.mlp_bias) {
    add_bias(items, {TensorName::b_down, layer}, down, bias, part);
  }
  items.push_back({part, KernelWork{sum, {middle, down, {TensorName::hidden, layer + 1}}}, {}});
}

void WorkBuilder::mlp_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const TensorId arriving = gradient_of({TensorName::hidden, layer + 1});
  const TensorId full = gradient_of({TensorName::down_full, layer});
  const TensorId up = gradient_of({TensorName::up, layer});
  const TensorId activated = gradient_of({TensorName::activated, layer});
  const TensorId norm = gradient_of({TensorName::norm2, layer});
  const TensorId branch{TensorName::branch, layer, true};
  const TensorId middle = gradient_of({TensorName::middle, layer});
  const KernelOp activation = job_.model.activation == Activation::swiglu
                                  ? KernelOp::swiglu_backward
                                  : KernelOp::gelu_backward;

  if (job_.model.mlp_bias) {
    add_bias(items,
             {TensorName::b_down, layer},
             arriving,
             rows_key(KernelOp::bias_backward, size_.row_tokens, size_.hidden),
             Part::compute);
  }
  gather(items, arriving, full, Part::tensor_parallel);
  linear_dgrad(items, down_linear(layer), gathered(arriving, full), activated);
  linear_wgrad(items, down_linear(layer), gathered(arriving, full));
  items.push_back({Part::compute,
                   KernelWork{rows_key(activation, size_.tokens, size_.ffn),
                              {{TensorName::up, layer}, activated, up}},
                   {}});
  if (job_.model.mlp_bias) {
    add_bias(items,
             {TensorName::b_up, layer},
             up,
             rows_key(KernelOp::bias_backward, size_.tokens, size_.up_width),
             Part::compute);
  }
  input_gradient(items,
                 up_linear(layer),
                 {.input = {TensorName::norm2, layer},
                  .input_full = {TensorName::norm2_full, layer},
                  .gradient = up,
                  .to = norm,
                  .to_full = gradient_of({TensorName::norm2_full, layer})});
  norm_backward(items, norm2(layer), norm, branch);
  items.push_back({Part::compute,
                   KernelWork{rows_key(KernelOp::add, size_.row_tokens, size_.hidden),
                              {arriving, branch, middle}},
                   {}});
}

void WorkBuilder::attention_core_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const TensorId packed{TensorName::qkv, layer};
  items.push_back({Part::compute,
                   KernelWork{attention_key(KernelOp::attention_backward),
                              {packed,
                               {TensorName::attended, layer},
                               {TensorName::log_sum_exp, layer},
                               gradient_of({TensorName::attended, layer}),
                               gradient_of(packed)}},
                   {}});
  if (job_.model.position == Position::rope) {
    items.push_back(
        {Part::compute, KernelWork{heads_key(KernelOp::rope_backward), {gradient_of(packed)}}, {}});
  }
  if (job_.model.attention.qk_norm) {
    const TensorId q{TensorName::w_q_norm, layer};
    const TensorId k{TensorName::w_k_norm, layer};
    items.push_back({Part::compute,
                     KernelWork{heads_key(KernelOp::qk_norm_backward),
                                {{TensorName::qkv_raw, layer},
                                 q,
                                 k,
                                 {TensorName::qk_stats, layer},
                                 gradient_of(packed),
                                 gradient_of(q),
                                 gradient_of(k)}},
                     {}});
  }
  if (job_.model.attention.qkv_bias) {
    add_bias(items,
             {TensorName::b_qkv, layer},
             gradient_of(packed),
             rows_key(KernelOp::bias_backward, size_.tokens, size_.qkv_width),
             Part::compute);
  }
}

void WorkBuilder::attention_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const TensorId middle = gradient_of({TensorName::middle, layer});
  const TensorId full = gradient_of({TensorName::projected_full, layer});
  const TensorId norm = gradient_of({TensorName::norm1, layer});
  const TensorId qkv = gradient_of({TensorName::qkv, layer});
  const TensorId branch{TensorName::branch, layer, true};

  if (job_.model.attention.output_bias) {
    add_bias(items,
             {TensorName::b_out, layer},
             middle,
             rows_key(KernelOp::bias_backward, size_.row_tokens, size_.hidden),
             Part::compute);
  }
  gather(items, middle, full, Part::tensor_parallel);
  linear_dgrad(
      items, out_linear(layer), gathered(middle, full), gradient_of({TensorName::attended, layer}));
  linear_wgrad(items, out_linear(layer), gathered(middle, full));
  attention_core_backward(items, layer);
  input_gradient(items,
                 qkv_linear(layer),
                 {.input = {TensorName::norm1, layer},
                  .input_full = {TensorName::norm1_full, layer},
                  .gradient = qkv,
                  .to = norm,
                  .to_full = gradient_of({TensorName::norm1_full, layer})});
  norm_backward(items, norm1(layer), norm, branch);
  items.push_back({Part::compute,
                   KernelWork{rows_key(KernelOp::add, size_.row_tokens, size_.hidden),
                              {middle, branch, gradient_of({TensorName::hidden, layer})}},
                   {}});
}

void WorkBuilder::layer_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  mlp_backward(items, layer);
  attention_backward(items, layer);
}

}  // namespace forerun
