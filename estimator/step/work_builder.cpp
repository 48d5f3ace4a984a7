#include "estimator/step/work_builder.hpp"

#include <algorithm>
#include <utility>

#include "estimator/step/expert_load.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

MicroBatchSizes sizes_of(const Job& job) {
  MicroBatchSizes size;
  const std::int64_t tp = job.layout.tensor;
  const bool shards_sequence = tp > 1 && job.recipe.sequence_parallel == SequenceParallel::on;
  size.batch = job.recipe.micro_batch;
  size.tokens = job.recipe.sequence / job.layout.context * job.recipe.micro_batch;
  size.row_tokens = shards_sequence ? size.tokens / tp : size.tokens;
  size.hidden = job.model.hidden;
  size.heads = local_heads(job);
  size.kv_heads = job.model.latent ? size.heads : local_kv_heads(job);
  size.head_size = job.model.attention.head_size;
  size.qkv_width = (size.heads + 2 * size.kv_heads) * size.head_size;
  size.ffn = job.model.ffn_hidden / tp;
  size.up_width = up_factor(job.model) * size.ffn;
  size.vocabulary = padded_vocabulary(job.model.vocabulary, tp) / tp;
  return size;
}

ExpertSizes expert_sizes_of(const Job& job, const MicroBatchSizes& size) {
  ExpertSizes experts;
  if (!job.model.moe) {
    return experts;
  }
  const MixtureOfExperts& moe = *job.model.moe;
  const ParallelLayout& layout = job.layout;
  experts.held = moe.experts / layout.expert;
  experts.ffn = moe.expert_hidden / layout.expert_tensor;
  experts.shared_ffn = moe.shared_hidden / layout.tensor;
  // Without sequence parallelism the holders of an expert's parts all see the same tokens.
  const bool shares_tokens =
      layout.tensor > 1 && job.recipe.sequence_parallel != SequenceParallel::on;
  const std::int64_t parts = shares_tokens ? 1 : layout.expert_tensor;
  const std::int64_t tokens = size.row_tokens * layout.expert * parts;
  const ExpertRows rows =
      most_loaded(job.recipe.expert_load, tokens * moe.top_k, tokens, moe.experts, layout.expert);
  experts.rows = rows.rank;
  experts.largest = rows.largest;
  return experts;
}

}  // namespace

WorkBuilder::WorkBuilder(const Job& job, const Placement& placement)
    : job_(job),
      grid_({.tensor = job.layout.tensor,
             .context = job.layout.context,
             .data = job.layout.data,
             .pipeline = job.layout.pipeline,
             .expert = job.layout.expert,
             .expert_tensor = job.layout.expert_tensor},
            placement.rank_order),
      ranks_per_node_(ranks_per_node(placement, job.layout)),
      type_(data_type_of(job.recipe.precision)),
      size_(sizes_of(job)),
      experts_(expert_sizes_of(job, size_)) {}

bool WorkBuilder::sequence_parallel() const {
  return size_.row_tokens != size_.tokens;
}

KernelKey WorkBuilder::rows_key(KernelOp op, std::int64_t rows, std::int64_t columns) const {
  return {op, type_, RowsShape{rows, columns}};
}

KernelKey WorkBuilder::heads_key(KernelOp op) const {
  return {op,
          type_,
          HeadsShape{size_.tokens, size_.batch, size_.heads, size_.kv_heads, size_.head_size}};
}

KernelKey WorkBuilder::attention_key(KernelOp op, std::int64_t layer) const {
  AttentionKeyShape shape{
      size_.batch, local_sequence(), size_.heads, size_.kv_heads, size_.head_size, Mask::causal};
  if (job_.model.latent) {
    shape.value_size = value_head_size();
  }
  const auto window = window_of(job_.model, layer);
  if (window && job_.model.attention.chunked && *window < shape.length) {
    shape.batch *= shape.length / *window;  // every chunk is a sequence of its own
    shape.length = *window;
  }
  const bool slides = window && !job_.model.attention.chunked;
  shape.window = slides && *window < job_.recipe.sequence ? *window : 0;
  if (job_.model.attention.softcap) {
    shape.scores = Scores::capped;
  } else if (job_.model.position == Position::alibi) {
    shape.scores = Scores::alibi;
  }
  return {op, type_, shape};
}

KernelKey WorkBuilder::score_rows_key(KernelOp op) const {
  return rows_key(op, size_.tokens * size_.heads, job_.recipe.sequence);
}

KernelKey WorkBuilder::table_key(KernelOp op, std::int64_t tokens, std::int64_t rows) const {
  return {op, type_, TableShape{tokens, size_.batch, size_.hidden, rows}};
}

WorkItem WorkBuilder::grid_collective(
    Part part, CollectiveKey key, GroupKind group, TensorId from, TensorId to) const {
  key.group = grid_.shape(group, ranks_per_node_);
  return {part, CollectiveWork{key, group, ReduceOp::sum, from, to, {}}, {}};
}

WorkItem WorkBuilder::tensor_collective(Part part,
                                        Collective op,
                                        TensorId from,
                                        TensorId to) const {
  const std::int64_t bytes = bytes_of(size_.tokens * size_.hidden, type_);
  return grid_collective(part, {op, bytes, type_, {}}, GroupKind::tensor, from, to);
}

CollectiveKey WorkBuilder::boundary() const {
  const auto bytes = static_cast<std::int64_t>(
      static_cast<double>(size_.row_tokens * size_.hidden) * size_of(type_).in(unit::byte));
  return {Collective::send_recv, bytes, type_, grid_.shape(GroupKind::pipeline, ranks_per_node_)};
}

std::vector<BoundaryWork> WorkBuilder::boundaries() const {
  const std::int64_t stages = job_.layout.pipeline;
  if (stages == 1) {
    return {};
  }
  BoundaryWork between;
  between.message = boundary();
  const bool scatters =
      job_.recipe.software.scatters_messages && tensor_parallel() && !sequence_parallel();
  if (scatters) {
    const CollectiveKey whole = between.message;
    between.gather = whole;
    between.gather->op = Collective::all_gather;
    between.gather->group = grid_.shape(GroupKind::tensor, ranks_per_node_);
    between.message.bytes = whole.bytes / job_.layout.tensor;
  }
  std::vector<BoundaryWork> boundaries;
  for (std::int64_t stage = 0; stage < stages; ++stage) {
    BoundaryWork boundary = between;
    GroupShape& group = boundary.message.group;
    if (group.ranks_per_node > 1 && group.ranks_per_node < group.ranks) {
      group = {2, stays_on_node(stage, (stage + 1) % stages) ? 2 : 1, group.concurrent};
    }
    boundaries.push_back(boundary);
  }
  return boundaries;
}

bool WorkBuilder::stays_on_node(std::int64_t stage, std::int64_t other) const {
  const GridDegrees& degrees = grid_.degrees();
  GridCoordinates at;
  const auto node_of = [&](std::int64_t pipeline) {
    at.pipeline = pipeline;
    return grid_.rank_of(at) / ranks_per_node_;
  };
  for (at.data = 0; at.data < degrees.data; ++at.data) {
    for (at.context = 0; at.context < degrees.context; ++at.context) {
      for (at.tensor = 0; at.tensor < degrees.tensor; ++at.tensor) {
        if (node_of(stage) != node_of(other)) {
          return false;
        }
      }
    }
  }
  return true;
}

void WorkBuilder::gather(std::vector<WorkItem>& items,
                         TensorId shard,
                         TensorId full,
                         Part part) const {
  if (sequence_parallel()) {
    items.push_back(tensor_collective(part, Collective::all_gather, shard, full));
  }
}

TensorId WorkBuilder::gathered(TensorId shard, TensorId full) const {
  return sequence_parallel() ? full : shard;
}

TensorId WorkBuilder::partial(TensorId whole, TensorId full) const {
  return sequence_parallel() ? full : whole;
}

void WorkBuilder::reduce(std::vector<WorkItem>& items,
                         TensorId from,
                         TensorId whole,
                         Part part) const {
  if (sequence_parallel()) {
    items.push_back(tensor_collective(part, Collective::reduce_scatter, from, whole));
  } else if (tensor_parallel()) {
    items.push_back(tensor_collective(part, Collective::all_reduce, whole, whole));
  }
}

void WorkBuilder::input_gradient(std::vector<WorkItem>& items,
                                 const Linear& linear,
                                 const GradientPath& path) const {
  const std::size_t gather_at = items.size();
  gather(items, path.input, path.input_full, Part::tensor_parallel);
  linear_dgrad(items, linear, path.gradient, partial(path.to, path.to_full));
  const KernelKey dgrad = std::get<KernelWork>(items.back().work).key;
  cast_gathered_input(items, linear);
  linear_wgrad(items, linear, path.gradient);
  const KernelKey wgrad = std::get<KernelWork>(items.back().work).key;
  const std::size_t reduce_at = items.size();
  reduce(items, path.to_full, path.to, Part::tensor_parallel);
  if (auto* first = std::get_if<CollectiveWork>(&items[gather_at].work)) {
    first->hides_under = dgrad;
  }
  if (reduce_at < items.size()) {
    std::get<CollectiveWork>(items[reduce_at].work).hides_under = wgrad;
  }
}

void WorkBuilder::norm_forward(std::vector<WorkItem>& items, const Norm3& norm, Part part) const {
  const TensorId weight{norm.weight, norm.weight_layer};
  const TensorId bias{norm.bias, norm.weight_layer};
  const TensorId input{norm.input, norm.layer};
  const TensorId output{norm.output, norm.layer};
  const TensorId stats{norm.stats, norm.layer};
  if (job_.model.norm == Norm::layer_norm && !job_.model.norm_bias) {
    items.push_back(
        {part,
         KernelWork{rows_key(KernelOp::layer_norm_nobias_forward, size_.row_tokens, size_.hidden),
                    {input, weight, output, stats}},
         {}});
  } else if (job_.model.norm == Norm::rms_norm) {
    items.push_back(
        {part,
         KernelWork{rows_key(KernelOp::rms_norm_forward, size_.row_tokens, size_.hidden),
                    {input, weight, output, stats}},
         {}});
  } else {
    items.push_back(
        {part,
         KernelWork{rows_key(KernelOp::layer_norm_forward, size_.row_tokens, size_.hidden),
                    {input, weight, bias, output, stats}},
         {}});
  }
}

void WorkBuilder::norm_backward(std::vector<WorkItem>& items,
                                const Norm3& norm,
                                TensorId gradient_in,
                                TensorId gradient_out) const {
  const TensorId weight{norm.weight, norm.weight_layer};
  const TensorId input{norm.input, norm.layer};
  const TensorId stats{norm.stats, norm.layer};
  std::vector<TensorId> operands{
      input, weight, stats, gradient_in, gradient_out, gradient_of(weight)};
  KernelOp op = KernelOp::rms_norm_backward;
  if (job_.model.norm == Norm::layer_norm && !job_.model.norm_bias) {
    op = KernelOp::layer_norm_nobias_backward;
  } else if (job_.model.norm == Norm::layer_norm) {
    op = KernelOp::layer_norm_backward;
    operands.push_back(gradient_of({norm.bias, norm.weight_layer}));
  }
  items.push_back({Part::compute,
                   KernelWork{rows_key(op, size_.row_tokens, size_.hidden), std::move(operands)},
                   {}});
}

void WorkBuilder::linear_forward(std::vector<WorkItem>& items,
                                 const Linear& linear,
                                 Part part) const {
  if (has_fp8_copy(job_.recipe, {linear.weight, linear.weight_layer})) {
    fp8_forward(items, linear, part);
    return;
  }
  items.push_back(
      {part,
       KernelWork{
           {KernelOp::gemm,
            type_,
            GemmShape{rows_of(linear), linear.out, linear.in, GemmLayout::nt, GemmOutput::store}},
           {{linear.input, linear.layer},
            {linear.weight, linear.weight_layer},
            {linear.output, linear.layer}}},
       {}});
}

void WorkBuilder::linear_dgrad(std::vector<WorkItem>& items,
                               const Linear& linear,
                               TensorId gradient,
                               TensorId to) const {
  if (has_fp8_copy(job_.recipe, {linear.weight, linear.weight_layer})) {
    fp8_dgrad(items, linear, gradient, to);
    return;
  }
  items.push_back(
      {Part::compute,
       KernelWork{
           {KernelOp::gemm,
            type_,
            GemmShape{rows_of(linear), linear.in, linear.out, GemmLayout::nn, GemmOutput::store}},
           {gradient, {linear.weight, linear.weight_layer}, to}},
       {}});
}

void WorkBuilder::linear_wgrad(std::vector<WorkItem>& items,
                               const Linear& linear,
                               TensorId gradient) const {
  const TensorId weight = gradient_of({linear.weight, linear.weight_layer});
  const bool fuses = fuses_accumulation();
  const TensorId update{TensorName::weight_update, linear.layer, true};
  if (has_fp8_copy(job_.recipe, {linear.weight, linear.weight_layer})) {
    items.push_back(fp8_wgrad(linear, gradient, fuses ? weight : update));
    accumulate_update(items, update, weight, linear.out, linear.in);
    return;
  }
  items.push_back({Part::compute,
                   KernelWork{{KernelOp::gemm,
                               type_,
                               GemmShape{linear.out,
                                         linear.in,
                                         rows_of(linear),
                                         GemmLayout::tn,
                                         fuses ? GemmOutput::accumulate_fp32 : GemmOutput::store}},
                              {gradient, {linear.input, linear.layer}, fuses ? weight : update}},
                   {}});
  accumulate_update(items, update, weight, linear.out, linear.in);
}

bool WorkBuilder::fuses_accumulation() const {
  return job_.recipe.software.fuses_gradient_accumulation || type_ == DataType::fp32;
}

void WorkBuilder::accumulate_update(std::vector<WorkItem>& items,
                                    TensorId update,
                                    TensorId weight,
                                    std::int64_t rows,
                                    std::int64_t columns) const {
  if (fuses_accumulation()) {
    return;
  }
  if (job_.recipe.software.gradients == GradientFormat::fp32) {
    items.push_back(
        {Part::compute,
         KernelWork{{KernelOp::accumulate, type_, FlatShape{rows * columns}}, {update, weight}},
         {}});
    return;
  }
  // The first micro-batch's gradient is kept as it comes.
  items.push_back({Part::compute,
                   KernelWork{rows_key(KernelOp::add, rows, columns), {weight, update, weight}},
                   {},
                   true});
}

std::int64_t WorkBuilder::rows_of(const Linear& linear) const {
  return linear.rows == 0 ? size_.tokens : linear.rows;
}

void WorkBuilder::add_bias(
    std::vector<WorkItem>& items, TensorId bias, TensorId rows, KernelKey key, Part part) {
  if (key.op == KernelOp::bias_forward) {
    items.push_back({part, KernelWork{key, {bias, rows}}, {}});
  } else {
    items.push_back({part, KernelWork{key, {rows, gradient_of(bias)}}, {}});
  }
}

WorkBuilder::Norm3 WorkBuilder::norm1(std::int64_t layer) {
  return {TensorName::w_norm1,
          TensorName::b_norm1,
          TensorName::hidden,
          TensorName::norm1,
          TensorName::norm1_stats,
          layer,
          layer};
}

WorkBuilder::Norm3 WorkBuilder::norm2(std::int64_t layer) const {
  return {TensorName::w_norm2,
          TensorName::b_norm2,
          middle(layer).name,
          TensorName::norm2,
          TensorName::norm2_stats,
          layer,
          layer};
}

WorkBuilder::Norm3 WorkBuilder::final_norm() const {
  return {TensorName::w_final_norm,
          TensorName::b_final_norm,
          TensorName::hidden,
          TensorName::final_norm,
          TensorName::final_stats,
          -1,
          job_.model.layers};
}

WorkBuilder::Linear WorkBuilder::qkv_linear(std::int64_t layer) const {
  const TensorName output = job_.model.attention.qk_norm ? TensorName::qkv_raw : TensorName::qkv;
  return {TensorName::w_qkv,
          sequence_parallel() ? TensorName::norm1_full : TensorName::norm1,
          output,
          layer,
          layer,
          size_.hidden,
          size_.qkv_width};
}

WorkBuilder::Linear WorkBuilder::out_linear(std::int64_t layer) const {
  const bool attends = mixer_of(layer) == Mixer::attention;
  return {TensorName::w_out,
          attends && job_.model.attention.output_gate ? TensorName::gated_attention
                                                      : TensorName::attended,
          sequence_parallel() ? TensorName::projected_full : TensorName::projected,
          layer,
          layer,
          attends ? size_.heads * value_head_size() : mixer_sizes(job_, mixer_of(layer)).inner,
          size_.hidden};
}

WorkBuilder::Linear WorkBuilder::up_linear(std::int64_t layer) const {
  const Linear qkv = qkv_linear(layer);
  const TensorName norm2 = sequence_parallel() ? TensorName::norm2_full : TensorName::norm2;
  return {TensorName::w_up,
          job_.model.block == Block::parallel ? qkv.input : norm2,
          TensorName::up,
          layer,
          layer,
          size_.hidden,
          size_.up_width};
}

WorkBuilder::Linear WorkBuilder::down_linear(std::int64_t layer) const {
  return {TensorName::w_down,
          TensorName::activated,
          sequence_parallel() ? TensorName::down_full : TensorName::down,
          layer,
          layer,
          size_.ffn,
          size_.hidden};
}

WorkBuilder::Linear WorkBuilder::head_linear() const {
  return {job_.model.tied_embeddings ? TensorName::w_embedding : TensorName::w_head,
          sequence_parallel() ? TensorName::final_full : TensorName::final_norm,
          TensorName::logits,
          -1,
          job_.model.layers,
          size_.hidden,
          size_.vocabulary};
}

}  // namespace forerun
