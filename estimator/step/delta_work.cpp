// Gated DeltaNet as Qwen3-Next has it (arXiv 2412.06464, section 3; transformers,
// Qwen3NextGatedDeltaNet), and the gates and gated norms that it shares with other mixers.
#include "estimator/step/work_builder.hpp"

namespace forerun {
namespace {

// flash-linear-attention, chunk_gated_delta_rule: chunks of 64 positions.
constexpr std::int64_t delta_chunk = 64;

}  // namespace

WorkBuilder::Linear WorkBuilder::mixer_beta_linear(std::int64_t layer) const {
  return {TensorName::w_mixer_beta,
          qkv_linear(layer).input,
          TensorName::mixer_beta,
          layer,
          layer,
          size_.hidden,
          2 * mixer_sizes(job_, Mixer::delta_net).heads};
}

WorkBuilder::Linear WorkBuilder::gate_linear(std::int64_t layer) const {
  return {TensorName::w_attention_gate,
          qkv_linear(layer).input,
          TensorName::attention_gate,
          layer,
          layer,
          size_.hidden,
          size_.heads * size_.head_size};
}

WorkBuilder::Linear WorkBuilder::shared_gate_linear(std::int64_t layer) const {
  return {TensorName::w_shared_gate,
          TensorName::norm2,
          TensorName::shared_gate_logits,
          layer,
          layer,
          size_.hidden,
          1,
          size_.row_tokens};
}

void WorkBuilder::two_input_gradients(std::vector<WorkItem>& items,
                                      const Linear& first,
                                      const Linear& second,
                                      const GradientPath& path) const {
  const TensorId gradient = gradient_of({second.output, second.layer});
  const TensorId more{TensorName::norm1_of_gate, second.layer, true};
  const TensorId sum = partial(path.to, path.to_full);
  const std::size_t gather_at = items.size();
  gather(items, path.input, path.input_full, Part::tensor_parallel);
  linear_dgrad(items, first, path.gradient, sum);
  const KernelKey dgrad = std::get<KernelWork>(items.back().work).key;
  linear_dgrad(items, second, gradient, more);
  items.push_back(
      {Part::compute,
       KernelWork{rows_key(KernelOp::add, size_.tokens, size_.hidden), {sum, more, sum}},
       {}});
  linear_wgrad(items, second, gradient);
  linear_wgrad(items, first, path.gradient);
  const KernelKey wgrad = std::get<KernelWork>(items.back().work).key;
  const std::size_t reduce_at = items.size();
  reduce(items, path.to_full, path.to, Part::tensor_parallel);
  if (auto* gathers = std::get_if<CollectiveWork>(&items[gather_at].work)) {
    gathers->hides_under = dgrad;
  }
  if (reduce_at < items.size()) {
    std::get<CollectiveWork>(items[reduce_at].work).hides_under = wgrad;
  }
}

// Mamba-2 norms the channels of each group, DeltaNet the values of each head with one weight.
KernelKey WorkBuilder::gated_norm_key(KernelOp op, std::int64_t layer) const {
  const Mixer mixer = mixer_of(layer);
  const MixerSizes size = mixer_sizes(job_, mixer);
  if (mixer == Mixer::delta_net) {
    return {op, type_, GroupedRowsShape{size_.tokens * size.heads, size.inner / size.heads, 1}};
  }
  return {op, type_, GroupedRowsShape{size_.tokens, size.inner, size.groups}};
}

void WorkBuilder::gated_norm(std::vector<WorkItem>& items, std::int64_t layer, Part part) const {
  items.push_back({part,
                   KernelWork{gated_norm_key(KernelOp::gated_norm_forward, layer),
                              {{TensorName::scanned, layer},
                               {TensorName::mixer_gate, layer},
                               {TensorName::w_gated_norm, layer},
                               {TensorName::attended, layer},
                               {TensorName::gated_stats, layer}}},
                   {}});
}

void WorkBuilder::gated_norm_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const TensorId scanned{TensorName::scanned, layer};
  const TensorId gate{TensorName::mixer_gate, layer};
  const TensorId weight{TensorName::w_gated_norm, layer};
  items.push_back({Part::compute,
                   KernelWork{gated_norm_key(KernelOp::gated_norm_backward, layer),
                              {scanned,
                               gate,
                               weight,
                               {TensorName::gated_stats, layer},
                               gradient_of({TensorName::attended, layer}),
                               gradient_of(scanned),
                               gradient_of(gate),
                               gradient_of(weight)}},
                   {}});
}

namespace {

KernelKey delta_key(const MixerSizes& size,
                    KernelKey key,
                    std::int64_t batch,
                    std::int64_t length) {
  key.shape = DeltaShape{batch,
                         length,
                         size.heads,
                         size.groups,
                         size.keys / size.groups,
                         size.inner / size.heads,
                         delta_chunk};
  return key;
}

std::vector<TensorId> delta_inputs(std::int64_t layer) {
  return {{TensorName::scan_queries, layer},
          {TensorName::scan_keys, layer},
          {TensorName::scan_values, layer},
          {TensorName::mixer_steps, layer},
          {TensorName::mixer_strengths, layer}};
}

}  // namespace

void WorkBuilder::delta_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const {
  const MixerSizes size = mixer_sizes(job_, Mixer::delta_net);
  gather(items,
         {TensorName::norm1, layer},
         {TensorName::norm1_full, layer},
         part == Part::recompute ? Part::recompute : Part::tensor_parallel);
  linear_forward(items, mixer_in_linear(layer), part);
  linear_forward(items, mixer_beta_linear(layer), part);
  split_columns(items, {TensorName::mixer_in, layer}, size_.tokens, projected_columns(layer), part);
  split_columns(items,
                {TensorName::mixer_beta, layer},
                size_.tokens,
                {{TensorName::mixer_strengths, size.heads}, {TensorName::mixer_steps, size.heads}},
                part);
  convolve(items, layer, part);
  split_columns(items, {TensorName::conv_out, layer}, size_.tokens, convolved_columns(layer), part);
  std::vector<TensorId> operands = delta_inputs(layer);
  const std::vector<TensorId> constants = scan_constants(items, layer, part);
  operands.insert(operands.end(), constants.begin(), constants.end());
  operands.push_back({TensorName::scanned, layer});
  items.push_back(
      {part,
       KernelWork{
           delta_key(
               size, {KernelOp::delta_rule_forward, type_, {}}, size_.batch, local_sequence()),
           std::move(operands)},
       {}});
  gated_norm(items, layer, part);
}

void WorkBuilder::delta_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const MixerSizes size = mixer_sizes(job_, Mixer::delta_net);
  gated_norm_backward(items, layer);
  const std::vector<TensorId> inputs = delta_inputs(layer);
  std::vector<TensorId> operands = inputs;
  const std::vector<TensorId> constants = scan_constants(items, layer, Part::compute);
  operands.insert(operands.end(), constants.begin(), constants.end());
  operands.push_back(gradient_of({TensorName::scanned, layer}));
  for (const TensorId input : inputs) {
    operands.push_back(gradient_of(input));
  }
  operands.push_back(gradient_of({TensorName::b_step, layer}));
  operands.push_back(gradient_of({TensorName::w_decay, layer}));
  items.push_back(
      {Part::compute,
       KernelWork{
           delta_key(
               size, {KernelOp::delta_rule_backward, type_, {}}, size_.batch, local_sequence()),
           std::move(operands)},
       {}});
  join_columns(
      items, gradient_of({TensorName::conv_out, layer}), size_.tokens, convolved_columns(layer));
  convolve_backward(items, layer);
  join_columns(
      items, gradient_of({TensorName::mixer_in, layer}), size_.tokens, projected_columns(layer));
  join_columns(items,
               gradient_of({TensorName::mixer_beta, layer}),
               size_.tokens,
               {{TensorName::mixer_strengths, size.heads}, {TensorName::mixer_steps, size.heads}});
}

}  // namespace forerun
