// Mamba's mixers (Mamba-1, arXiv 2312.00752, section 3.4; Mamba-2, arXiv 2405.21060, section 7):
// projection in, convolution, scan, gate and norm. Tensor ranks share out channels and, of Mamba-2,
// heads with their groups (arXiv 2405.21060, section 8.1); Mamba-1's dt, B and C are summed over
// the group, as vLLM's mamba_mixer.py does.
#include <utility>

#include "estimator/step/work_builder.hpp"

namespace forerun {
namespace {

// Positions that are worked on together: the default of state-spaces/mamba, mamba2.py.
constexpr std::int64_t scan_chunk = 256;

}  // namespace

Mixer WorkBuilder::mixer_of(std::int64_t layer) const {
  return kind_of(job_.model, layer).mixer;
}

void WorkBuilder::split_columns(std::vector<WorkItem>& items,
                                TensorId wide,
                                std::int64_t rows,
                                const std::vector<Column>& columns,
                                Part part) const {
  ColumnsShape shape{.rows = rows};
  for (const Column& column : columns) {
    shape.width += column.width;
  }
  for (const Column& column : columns) {
    shape.columns = column.width;
    items.push_back({part,
                     KernelWork{{KernelOp::take_columns, type_, shape},
                                {wide, {column.name, wide.layer, wide.gradient}}},
                     {}});
    shape.first += column.width;
  }
}

void WorkBuilder::join_columns(std::vector<WorkItem>& items,
                               TensorId wide,
                               std::int64_t rows,
                               const std::vector<Column>& columns) const {
  const std::size_t begin = items.size();
  split_columns(items, wide, rows, columns, Part::compute);
  for (std::size_t i = begin; i < items.size(); ++i) {
    auto& kernel = std::get<KernelWork>(items[i].work);
    kernel.key.op = KernelOp::put_columns;
    std::swap(kernel.operands[0], kernel.operands[1]);
  }
}

WorkBuilder::Linear WorkBuilder::mixer_in_linear(std::int64_t layer) const {
  const Linear qkv = qkv_linear(layer);
  return {TensorName::w_mixer_in,
          qkv.input,
          TensorName::mixer_in,
          layer,
          layer,
          size_.hidden,
          mixer_sizes(job_, mixer_of(layer)).projected};
}

// Partial sums over the tensor group's channels.
WorkBuilder::Linear WorkBuilder::scan_inputs_linear(std::int64_t layer) const {
  const StateSpace& s = *job_.model.state_space;
  return {TensorName::w_scan_inputs,
          TensorName::conv_out,
          TensorName::scan_inputs,
          layer,
          layer,
          s.inner / job_.layout.tensor,
          s.dt_rank + 2 * s.state};
}

WorkBuilder::Linear WorkBuilder::step_linear(std::int64_t layer) const {
  const StateSpace& s = *job_.model.state_space;
  return {TensorName::w_step,
          s.inner_norms ? TensorName::scan_rank_normed : TensorName::scan_rank,
          TensorName::scan_steps,
          layer,
          layer,
          s.dt_rank,
          s.inner / job_.layout.tensor};
}

std::vector<WorkBuilder::Column> WorkBuilder::projected_columns(std::int64_t layer) const {
  const Mixer mixer = mixer_of(layer);
  const MixerSizes size = mixer_sizes(job_, mixer);
  if (mixer == Mixer::mamba2) {
    return {{TensorName::mixer_gate, size.inner},
            {TensorName::conv_in, size.convolved},
            {TensorName::mixer_steps, size.heads}};
  }
  return {{TensorName::conv_in, size.convolved}, {TensorName::mixer_gate, size.inner}};
}

std::vector<WorkBuilder::Column> WorkBuilder::convolved_columns(std::int64_t layer) const {
  const Mixer mixer = mixer_of(layer);
  const MixerSizes size = mixer_sizes(job_, mixer);
  if (mixer == Mixer::delta_net) {
    return {{TensorName::scan_queries, size.keys},
            {TensorName::scan_keys, size.keys},
            {TensorName::scan_values, size.inner}};
  }
  return {{TensorName::scan_values, size.inner},
          {TensorName::scan_keys, size.keys},
          {TensorName::scan_queries, size.keys}};
}

std::vector<WorkBuilder::Column> WorkBuilder::scan_input_columns() const {
  const StateSpace& s = *job_.model.state_space;
  return {{TensorName::scan_rank, s.dt_rank},
          {TensorName::scan_keys, s.state},
          {TensorName::scan_queries, s.state}};
}

std::vector<WorkBuilder::LatentNorm> WorkBuilder::scan_input_norms() const {
  const StateSpace& s = *job_.model.state_space;
  if (!s.inner_norms) {
    return {};
  }
  return {{TensorName::w_step_norm,
           TensorName::scan_rank,
           TensorName::scan_rank_normed,
           TensorName::scan_rank_stats,
           s.dt_rank},
          {TensorName::w_input_norm,
           TensorName::scan_keys,
           TensorName::scan_keys_normed,
           TensorName::scan_keys_stats,
           s.state},
          {TensorName::w_output_norm,
           TensorName::scan_queries,
           TensorName::scan_queries_normed,
           TensorName::scan_queries_stats,
           s.state}};
}

KernelKey WorkBuilder::conv_key(KernelOp op, std::int64_t layer) const {
  const std::int64_t taps = mixer_of(layer) == Mixer::delta_net
                                ? job_.model.delta_net->conv_width
                                : job_.model.state_space->conv_width;
  return {
      op,
      type_,
      ConvShape{size_.batch, local_sequence(), mixer_sizes(job_, mixer_of(layer)).convolved, taps}};
}

void WorkBuilder::convolve(std::vector<WorkItem>& items, std::int64_t layer, Part part) const {
  items.push_back({part,
                   KernelWork{conv_key(KernelOp::conv1d_forward, layer),
                              {{TensorName::conv_in, layer},
                               {TensorName::w_conv, layer},
                               {TensorName::b_conv, layer},
                               {TensorName::conv_out, layer}}},
                   {}});
}

void WorkBuilder::convolve_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const TensorId input{TensorName::conv_in, layer};
  const TensorId weight{TensorName::w_conv, layer};
  const TensorId bias{TensorName::b_conv, layer};
  items.push_back({Part::compute,
                   KernelWork{conv_key(KernelOp::conv1d_backward, layer),
                              {input,
                               weight,
                               bias,
                               gradient_of({TensorName::conv_out, layer}),
                               gradient_of(input),
                               gradient_of(weight),
                               gradient_of(bias)}},
                   {}});
}

// Mamba-1: low rank of dt, B and C from the convolved values.
void WorkBuilder::scan_inputs_forward(std::vector<WorkItem>& items,
                                      std::int64_t layer,
                                      Part part) const {
  const Linear inputs = scan_inputs_linear(layer);
  const TensorId output{inputs.output, layer};
  linear_forward(items, inputs, part);
  if (tensor_parallel()) {
    items.push_back(grid_collective(
        part == Part::recompute ? Part::recompute : Part::tensor_parallel,
        {Collective::all_reduce, bytes_of(size_.tokens * inputs.out, type_), type_, {}},
        GroupKind::tensor,
        output,
        output));
  }
  split_columns(items, output, size_.tokens, scan_input_columns(), part);
  for (const LatentNorm& norm : scan_input_norms()) {
    latent_norm(items, norm, layer, part, size_.tokens);
  }
  linear_forward(items, step_linear(layer), part);
}

void WorkBuilder::scan_inputs_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const Linear inputs = scan_inputs_linear(layer);
  const Linear step = step_linear(layer);
  const TensorId steps = gradient_of({step.output, layer});
  const TensorId output = gradient_of({inputs.output, layer});
  const TensorId more{TensorName::scan_values, layer, true};
  const TensorId values = gradient_of({TensorName::conv_out, layer});
  linear_dgrad(items, step, steps, gradient_of({step.input, layer}));
  linear_wgrad(items, step, steps);
  // Every rank's channels send back a part of these.
  const auto sum = [&](TensorId id, std::int64_t width) {
    if (tensor_parallel()) {
      items.push_back(grid_collective(
          Part::tensor_parallel,
          {Collective::all_reduce, bytes_of(size_.tokens * width, type_), type_, {}},
          GroupKind::tensor,
          id,
          id));
    }
  };
  const auto norms = scan_input_norms();
  for (const LatentNorm& norm : norms) {
    sum(gradient_of({norm.output, layer}), norm.width);
    latent_norm_backward(items, norm, layer, size_.tokens);
  }
  join_columns(items, output, size_.tokens, scan_input_columns());
  if (norms.empty()) {
    sum(output, inputs.out);
  }
  linear_dgrad(items, inputs, output, more);
  linear_wgrad(items, inputs, output);
  items.push_back(
      {Part::compute,
       KernelWork{rows_key(KernelOp::add, size_.tokens, inputs.in), {values, more, values}},
       {}});
}

// Frameworks keep these in fp32; here they lie among the weights in their format.
std::vector<TensorId> WorkBuilder::scan_constants(std::vector<WorkItem>& items,
                                                  std::int64_t layer,
                                                  Part part) const {
  std::vector<std::pair<TensorName, TensorName>> names{
      {TensorName::b_step, TensorName::step_bias_fp32},
      {TensorName::w_decay, TensorName::decay_fp32}};
  const Mixer mixer = mixer_of(layer);
  if (mixer != Mixer::delta_net) {
    names.emplace_back(TensorName::w_skip, TensorName::skip_fp32);
  }
  std::vector<TensorId> constants;
  const bool widens = type_ != DataType::fp32 && !job_.recipe.software.reads_in_place;
  const MixerSizes size = mixer_sizes(job_, mixer);
  const std::int64_t steps = mixer == Mixer::mamba ? size.inner : size.heads;
  for (const auto& [name, wide] : names) {
    const bool has_states = mixer == Mixer::mamba && name == TensorName::w_decay;
    const std::int64_t elements = steps * (has_states ? job_.model.state_space->state : 1);
    const TensorId weight{name, layer};
    const TensorId copy{wide, layer};
    constants.push_back(widens ? copy : weight);
    if (widens) {
      items.push_back(
          {part, KernelWork{{KernelOp::widen, type_, FlatShape{elements}}, {weight, copy}}, {}});
    }
  }
  return constants;
}

KernelKey WorkBuilder::scan_key(bool is_forward, std::int64_t layer) const {
  const Mixer mixer = mixer_of(layer);
  const MixerSizes size = mixer_sizes(job_, mixer);
  const std::int64_t length = local_sequence();
  if (mixer == Mixer::mamba) {
    return {is_forward ? KernelOp::selective_scan_forward : KernelOp::selective_scan_backward,
            type_,
            ScanShape{size_.batch, length, size.inner, job_.model.state_space->state}};
  }
  return {is_forward ? KernelOp::ssd_forward : KernelOp::ssd_backward,
          type_,
          SsdShape{size_.batch,
                   length,
                   size.heads,
                   size.inner / size.heads,
                   size.groups,
                   job_.model.state_space->state,
                   scan_chunk}};
}

// What a scan reads before its constants.
std::vector<TensorId> WorkBuilder::scan_operands(std::int64_t layer) const {
  if (mixer_of(layer) == Mixer::mamba2) {
    return {{TensorName::scan_values, layer},
            {TensorName::mixer_steps, layer},
            {TensorName::scan_keys, layer},
            {TensorName::scan_queries, layer}};
  }
  const bool norms = job_.model.state_space->inner_norms;
  return {{TensorName::conv_out, layer},
          {TensorName::scan_steps, layer},
          {norms ? TensorName::scan_keys_normed : TensorName::scan_keys, layer},
          {norms ? TensorName::scan_queries_normed : TensorName::scan_queries, layer},
          {TensorName::mixer_gate, layer}};
}

void WorkBuilder::scan_core_forward(std::vector<WorkItem>& items,
                                    std::int64_t layer,
                                    Part part) const {
  const bool is_first = mixer_of(layer) == Mixer::mamba;
  if (is_first) {
    scan_inputs_forward(items, layer, part);
  } else {
    split_columns(
        items, {TensorName::conv_out, layer}, size_.tokens, convolved_columns(layer), part);
  }
  std::vector<TensorId> operands = scan_operands(layer);
  const std::vector<TensorId> constants = scan_constants(items, layer, part);
  operands.insert(operands.end(), constants.begin(), constants.end());
  operands.push_back({is_first ? TensorName::attended : TensorName::scanned, layer});
  items.push_back({part, KernelWork{scan_key(true, layer), std::move(operands)}, {}});
  if (!is_first) {
    gated_norm(items, layer, part);
  }
}

void WorkBuilder::scan_core_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const bool is_first = mixer_of(layer) == Mixer::mamba;
  if (!is_first) {
    gated_norm_backward(items, layer);
  }
  const std::vector<TensorId> inputs = scan_operands(layer);
  std::vector<TensorId> operands = inputs;
  const std::vector<TensorId> constants = scan_constants(items, layer, Part::compute);
  operands.insert(operands.end(), constants.begin(), constants.end());
  operands.push_back(gradient_of({is_first ? TensorName::attended : TensorName::scanned, layer}));
  for (const TensorId input : inputs) {
    operands.push_back(gradient_of(input));
  }
  for (const TensorName weight : {TensorName::b_step, TensorName::w_decay, TensorName::w_skip}) {
    operands.push_back(gradient_of({weight, layer}));
  }
  items.push_back({Part::compute, KernelWork{scan_key(false, layer), std::move(operands)}, {}});
  if (is_first) {
    scan_inputs_backward(items, layer);
  } else {
    join_columns(
        items, gradient_of({TensorName::conv_out, layer}), size_.tokens, convolved_columns(layer));
  }
}

void WorkBuilder::scan_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const {
  gather(items,
         {TensorName::norm1, layer},
         {TensorName::norm1_full, layer},
         part == Part::recompute ? Part::recompute : Part::tensor_parallel);
  linear_forward(items, mixer_in_linear(layer), part);
  split_columns(items, {TensorName::mixer_in, layer}, size_.tokens, projected_columns(layer), part);
  convolve(items, layer, part);
  scan_core_forward(items, layer, part);
}

void WorkBuilder::scan_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  scan_core_backward(items, layer);
  convolve_backward(items, layer);
  join_columns(
      items, gradient_of({TensorName::mixer_in, layer}), size_.tokens, projected_columns(layer));
}

}  // namespace forerun
