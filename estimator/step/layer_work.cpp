// The kernels and collectives of one transformer layer, forward and backward.
#include "estimator/step/work_builder.hpp"

namespace forerun {

void WorkBuilder::attention_forward(std::vector<WorkItem>& items,
                                    std::int64_t layer,
                                    Part part) const {
  if (job_.model.latent) {
    latent_forward(items, layer, part);
    return;
  }
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
  if (has_rope(layer)) {
    items.push_back({part, KernelWork{rope_key(KernelOp::rope_forward), {packed}}, {}});
  }
  if (attention.output_gate) {
    linear_forward(items, gate_linear(layer), part);
  }
  attention_core_forward(items, layer, part);
  if (attention.output_gate) {
    items.push_back(
        {part,
         KernelWork{
             rows_key(KernelOp::sigmoid_gate_forward, size_.tokens, size_.heads * size_.head_size),
             {{TensorName::attended, layer},
              {TensorName::attention_gate, layer},
              {TensorName::gated_attention, layer}}},
         {}});
  }
}

void WorkBuilder::mlp_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const {
  const TensorId up{TensorName::up, layer};
  if (job_.model.block != Block::parallel) {
    gather(items,
           {TensorName::norm2, layer},
           {TensorName::norm2_full, layer},
           part == Part::recompute ? Part::recompute : Part::tensor_parallel);
  }
  linear_forward(items, up_linear(layer), part);
  if (job_.model.mlp_bias && !fuses_bias_gelu()) {
    add_bias(items,
             {TensorName::b_up, layer},
             up,
             rows_key(KernelOp::bias_forward, size_.tokens, size_.up_width),
             part);
  }
  activation_forward(items, layer, part);
}

void WorkBuilder::activation_forward(std::vector<WorkItem>& items,
                                     std::int64_t layer,
                                     Part part) const {
  const TensorId up{TensorName::up, layer};
  const TensorId activated{TensorName::activated, layer};
  if (fuses_bias_gelu()) {
    items.push_back({part,
                     KernelWork{rows_key(KernelOp::bias_gelu_forward, size_.tokens, size_.ffn),
                                {up, {TensorName::b_up, layer}, activated}},
                     {}});
    return;
  }
  items.push_back(
      {part,
       KernelWork{rows_key(activation_op(true), size_.tokens, size_.ffn), {up, activated}},
       {}});
}

void WorkBuilder::layer_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const {
  if (job_.model.block != Block::sequential) {
    parallel_forward(items, layer, part);
    return;
  }
  const LayerKind kind = kind_of(job_.model, layer);
  if (kind.mixer != Mixer::none) {
    mixer_forward(items, layer, part);
  }
  if (kind.ffn != FeedForward::none) {
    ffn_forward(items, layer, part);
  }
}

// A layer of one half has no stream between halves.
TensorId WorkBuilder::middle(std::int64_t layer) const {
  const LayerKind kind = kind_of(job_.model, layer);
  if (job_.model.block != Block::sequential || kind.mixer == Mixer::none) {
    return {TensorName::hidden, layer};
  }
  return kind.ffn == FeedForward::none ? TensorId{TensorName::hidden, layer + 1}
                                       : TensorId{TensorName::middle, layer};
}

void WorkBuilder::mixer_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const {
  const Part exchange = part == Part::recompute ? Part::recompute : Part::tensor_parallel;
  norm_forward(items, norm1(layer), part);
  switch (mixer_of(layer)) {
    case Mixer::mamba:
    case Mixer::mamba2:
      scan_forward(items, layer, part);
      break;
    case Mixer::delta_net:
      delta_forward(items, layer, part);
      break;
    case Mixer::attention:
    case Mixer::none:
      attention_forward(items, layer, part);
      break;
  }
  linear_forward(items, out_linear(layer), part);
  reduce(items, {TensorName::projected_full, layer}, {TensorName::projected, layer}, exchange);
  residual_forward(items, attention_residual(layer), layer, part);
}

void WorkBuilder::ffn_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const {
  const Part exchange = part == Part::recompute ? Part::recompute : Part::tensor_parallel;
  norm_forward(items, norm2(layer), part);
  if (kind_of(job_.model, layer).ffn == FeedForward::experts) {
    experts_forward(items, layer, part);
  } else {
    mlp_forward(items, layer, part);
    linear_forward(items, down_linear(layer), part);
    reduce(items, {TensorName::down_full, layer}, {TensorName::down, layer}, exchange);
  }
  residual_forward(items, mlp_residual(layer), layer, part);
}

void WorkBuilder::mlp_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const TensorId arriving = gradient_of({TensorName::hidden, layer + 1});
  if (kind_of(job_.model, layer).ffn != FeedForward::experts) {
    dense_backward(items, layer, arriving);
    return;
  }
  if (recomputes(&RecomputeModules::norms)) {
    norm_forward(items, norm2(layer), Part::recompute);
  }
  const TensorId norm = gradient_of({TensorName::norm2, layer});
  const TensorId branch = residual_backward(items, mlp_residual(layer), layer, arriving);
  experts_backward(items, layer, branch, norm);
  norm_and_sum_backward(items, norm2(layer), norm, arriving, gradient_of(middle(layer)));
}

void WorkBuilder::dense_backward(std::vector<WorkItem>& items,
                                 std::int64_t layer,
                                 TensorId arriving) const {
  const TensorId full = gradient_of({TensorName::down_full, layer});
  const TensorId up = gradient_of({TensorName::up, layer});
  const TensorId activated = gradient_of({TensorName::activated, layer});
  const TensorId norm = gradient_of({TensorName::norm2, layer});

  if (recomputes(&RecomputeModules::mlp)) {
    norm_forward(items, norm2(layer), Part::recompute);
    mlp_forward(items, layer, Part::recompute);
  } else if (recomputes(&RecomputeModules::activation)) {
    activation_forward(items, layer, Part::recompute);
  }
  const TensorId branch = residual_backward(items, mlp_residual(layer), layer, arriving);
  gather(items, branch, full, Part::tensor_parallel);
  linear_dgrad(items, down_linear(layer), gathered(branch, full), activated);
  linear_wgrad(items, down_linear(layer), gathered(branch, full));
  activation_backward(items, layer);
  if (recomputes(&RecomputeModules::norms) && !recomputes(&RecomputeModules::mlp)) {
    norm_forward(items, norm2(layer), Part::recompute);
  }
  input_gradient(items,
                 up_linear(layer),
                 {.input = {TensorName::norm2, layer},
                  .input_full = {TensorName::norm2_full, layer},
                  .gradient = up,
                  .to = norm,
                  .to_full = gradient_of({TensorName::norm2_full, layer})});
  norm_and_sum_backward(items, norm2(layer), norm, arriving, gradient_of(middle(layer)));
}

void WorkBuilder::attention_core_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const TensorId packed{TensorName::qkv, layer};
  if (job_.recipe.software.attention == AttentionMethod::unfused) {
    unfused_core_backward(items, layer);
  } else if (job_.layout.context > 1) {
    context_core_backward(items, layer);
  } else {
    own_attention_backward(items, attention_key(KernelOp::attention_backward, layer), layer);
  }
  if (job_.model.latent) {
    latent_backward(items, layer);
    return;
  }
  if (has_rope(layer)) {
    items.push_back(
        {Part::compute, KernelWork{rope_key(KernelOp::rope_backward), {gradient_of(packed)}}, {}});
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

// From the gradient of what the output projection reads to that of norm1.
void WorkBuilder::attention_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const Linear qkv = qkv_linear(layer);
  const GradientPath path{.input = {TensorName::norm1, layer},
                          .input_full = {TensorName::norm1_full, layer},
                          .gradient = gradient_of({TensorName::qkv, layer}),
                          .to = gradient_of({TensorName::norm1, layer}),
                          .to_full = gradient_of({TensorName::norm1_full, layer})};
  // The core's output stays: it is the input of the projection, which a checkpoint of the core
  // alone does not repeat (Korthikanti et al. 2022, section 5).
  if (recomputes(&RecomputeModules::core_attention)) {
    attention_core_forward(items, layer, Part::recompute);
  }
  if (job_.model.attention.output_gate) {
    const TensorId attended{TensorName::attended, layer};
    const TensorId gate{TensorName::attention_gate, layer};
    items.push_back(
        {Part::compute,
         KernelWork{
             rows_key(KernelOp::sigmoid_gate_backward, size_.tokens, size_.heads * size_.head_size),
             {attended,
              gate,
              gradient_of({TensorName::gated_attention, layer}),
              gradient_of(attended),
              gradient_of(gate)}},
         {}});
  }
  attention_core_backward(items, layer);
  if (recomputes(&RecomputeModules::norms)) {
    norm_forward(items, norm1(layer), Part::recompute);
  }
  if (job_.model.latent) {
    return;
  }
  if (job_.model.attention.output_gate) {
    two_input_gradients(items, qkv, gate_linear(layer), path);
  } else {
    input_gradient(items, qkv, path);
  }
}

void WorkBuilder::mixer_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const TensorId arriving = gradient_of(attention_residual(layer).sum);
  const TensorId full = gradient_of({TensorName::projected_full, layer});
  const TensorId norm = gradient_of({TensorName::norm1, layer});
  const Linear out = out_linear(layer);
  const GradientPath path{.input = {TensorName::norm1, layer},
                          .input_full = {TensorName::norm1_full, layer},
                          .gradient = gradient_of({TensorName::mixer_in, layer}),
                          .to = norm,
                          .to_full = gradient_of({TensorName::norm1_full, layer})};

  const TensorId branch = residual_backward(items, attention_residual(layer), layer, arriving);
  gather(items, branch, full, Part::tensor_parallel);
  linear_dgrad(items, out, gathered(branch, full), gradient_of({out.input, layer}));
  linear_wgrad(items, out, gathered(branch, full));
  const Mixer mixer = mixer_of(layer);
  if (mixer == Mixer::attention) {
    attention_backward(items, layer);
  } else {
    if (mixer == Mixer::delta_net) {
      delta_backward(items, layer);
    } else {
      scan_backward(items, layer);
    }
    if (recomputes(&RecomputeModules::norms)) {
      norm_forward(items, norm1(layer), Part::recompute);
    }
    if (mixer == Mixer::delta_net) {
      two_input_gradients(items, mixer_in_linear(layer), mixer_beta_linear(layer), path);
    } else {
      input_gradient(items, mixer_in_linear(layer), path);
    }
  }
  norm_and_sum_backward(
      items, norm1(layer), norm, arriving, gradient_of({TensorName::hidden, layer}));
}

void WorkBuilder::layer_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  if (job_.model.block != Block::sequential) {
    parallel_backward(items, layer);
    return;
  }
  const LayerKind kind = kind_of(job_.model, layer);
  if (kind.ffn != FeedForward::none) {
    mlp_backward(items, layer);
  }
  if (kind.mixer != Mixer::none) {
    mixer_backward(items, layer);
  }
}

}  // namespace forerun
