// Multi-head latent attention as it is trained (DeepSeek-V2, arXiv 2405.04434, section 2.1):
// queries from their latent, keys and values from theirs, one rotated key for all heads. The
// projections to the latents are whole on every tensor rank and work on its shard of the sequence.
#include "estimator/step/work_builder.hpp"

namespace forerun {
namespace {

std::int64_t query_size(const LatentAttention& latent) {
  return latent.nope_head_size + latent.rope_head_size;
}

}  // namespace

WorkBuilder::Linear WorkBuilder::query_down(std::int64_t layer) const {
  const LatentAttention& latent = *job_.model.latent;
  return {TensorName::w_query_down,
          TensorName::norm1,
          TensorName::query_latent,
          layer,
          layer,
          size_.hidden,
          latent.query_rank.value_or(0),
          size_.row_tokens};
}

WorkBuilder::Linear WorkBuilder::query_up(std::int64_t layer) const {
  const LatentAttention& latent = *job_.model.latent;
  const bool is_compressed = latent.query_rank.has_value();
  const TensorName latents =
      sequence_parallel() ? TensorName::query_latent_full : TensorName::query_latent_normed;
  const TensorName hidden = sequence_parallel() ? TensorName::norm1_full : TensorName::norm1;
  return {TensorName::w_query_up,
          is_compressed ? latents : hidden,
          TensorName::latent_query,
          layer,
          layer,
          latent.query_rank.value_or(size_.hidden),
          size_.heads * query_size(latent)};
}

WorkBuilder::Linear WorkBuilder::kv_down(std::int64_t layer) const {
  const LatentAttention& latent = *job_.model.latent;
  return {TensorName::w_kv_down,
          TensorName::norm1,
          TensorName::kv_latent,
          layer,
          layer,
          size_.hidden,
          latent.kv_rank + latent.rope_head_size,
          size_.row_tokens};
}

WorkBuilder::Linear WorkBuilder::kv_up(std::int64_t layer) const {
  const LatentAttention& latent = *job_.model.latent;
  return {TensorName::w_kv_up,
          sequence_parallel() ? TensorName::kv_latent_full : TensorName::kv_latent_normed,
          TensorName::kv_heads,
          layer,
          layer,
          latent.kv_rank,
          size_.heads * (latent.nope_head_size + latent.value_head_size)};
}

// The norm of a latent: rows of its width.
void WorkBuilder::latent_norm(std::vector<WorkItem>& items,
                              const LatentNorm& norm,
                              std::int64_t layer,
                              Part part,
                              std::int64_t rows) const {
  items.push_back(
      {part,
       KernelWork{
           rows_key(KernelOp::rms_norm_forward, rows, norm.width),
           {{norm.input, layer}, {norm.weight, layer}, {norm.output, layer}, {norm.stats, layer}}},
       {}});
}

void WorkBuilder::latent_norm_backward(std::vector<WorkItem>& items,
                                       const LatentNorm& norm,
                                       std::int64_t layer,
                                       std::int64_t rows) const {
  const TensorId weight{norm.weight, layer};
  items.push_back({Part::compute,
                   KernelWork{rows_key(KernelOp::rms_norm_backward, rows, norm.width),
                              {{norm.input, layer},
                               weight,
                               {norm.stats, layer},
                               gradient_of({norm.output, layer}),
                               gradient_of({norm.input, layer}),
                               gradient_of(weight)}},
                   {}});
}

WorkBuilder::LatentNorm WorkBuilder::query_norm() const {
  return {TensorName::w_query_latent_norm,
          TensorName::query_latent,
          TensorName::query_latent_normed,
          TensorName::query_latent_stats,
          job_.model.latent->query_rank.value_or(0)};
}

WorkBuilder::LatentNorm WorkBuilder::kv_norm() const {
  return {TensorName::w_kv_latent_norm,
          TensorName::kv_latent_own,
          TensorName::kv_latent_normed,
          TensorName::kv_latent_stats,
          job_.model.latent->kv_rank};
}

// Latents of all of the sequence where it is split over the tensor group.
// NOLINTNEXTLINE(readability-function-size): the items of one exchange, in order
void WorkBuilder::exchange_latents(std::vector<WorkItem>& items,
                                   Collective op,
                                   std::int64_t width,
                                   TensorId from,
                                   TensorId to,
                                   Part part) const {
  if (!sequence_parallel() && op == Collective::all_gather) {
    return;
  }
  if (!sequence_parallel() && !tensor_parallel()) {
    return;
  }
  const std::int64_t bytes = bytes_of(size_.tokens * width, type_);
  const Collective used = sequence_parallel() ? op : Collective::all_reduce;
  items.push_back(grid_collective(part, {used, bytes, type_, {}}, GroupKind::tensor, from, to));
}

KernelKey WorkBuilder::latent_key(KernelOp op) const {
  const LatentAttention& latent = *job_.model.latent;
  return {op,
          type_,
          LatentHeadsShape{size_.tokens,
                           size_.batch,
                           size_.heads,
                           latent.nope_head_size,
                           latent.rope_head_size,
                           latent.value_head_size}};
}

// Queries are turned in place; keys are put together from their own part and the rotated one that
// all heads share, values are set apart: one fused kernel each (Megatron-Core's
// fused_mla_yarn_rope_apply.py).
void WorkBuilder::latent_forward(std::vector<WorkItem>& items,
                                 std::int64_t layer,
                                 Part part) const {
  const LatentAttention& latent = *job_.model.latent;
  const Part exchange = part == Part::recompute ? Part::recompute : Part::tensor_parallel;
  const TensorId rope_key{TensorName::rope_key, layer};
  const TensorId rope_key_full{TensorName::rope_key_full, layer};
  const TensorId query{TensorName::latent_query, layer};
  if (latent.query_rank) {
    linear_forward(items, query_down(layer), part);
    latent_norm(items, query_norm(), layer, part, size_.row_tokens);
    exchange_latents(items,
                     Collective::all_gather,
                     *latent.query_rank,
                     {TensorName::query_latent_normed, layer},
                     {TensorName::query_latent_full, layer},
                     exchange);
  } else {
    gather(items, {TensorName::norm1, layer}, {TensorName::norm1_full, layer}, exchange);
  }
  linear_forward(items, query_up(layer), part);
  linear_forward(items, kv_down(layer), part);
  split_columns(
      items,
      {TensorName::kv_latent, layer},
      size_.row_tokens,
      {{TensorName::kv_latent_own, latent.kv_rank}, {TensorName::rope_key, latent.rope_head_size}},
      part);
  latent_norm(items, kv_norm(), layer, part, size_.row_tokens);
  exchange_latents(items,
                   Collective::all_gather,
                   latent.kv_rank,
                   {TensorName::kv_latent_normed, layer},
                   {TensorName::kv_latent_full, layer},
                   exchange);
  exchange_latents(
      items, Collective::all_gather, latent.rope_head_size, rope_key, rope_key_full, exchange);
  linear_forward(items, kv_up(layer), part);
  items.push_back({part, KernelWork{latent_key(KernelOp::latent_query_forward), {query}}, {}});
  items.push_back({part,
                   KernelWork{latent_key(KernelOp::latent_keys_forward),
                              {{TensorName::kv_heads, layer},
                               gathered(rope_key, rope_key_full),
                               {TensorName::latent_keys, layer},
                               {TensorName::latent_values, layer}}},
                   {}});
  attention_core_forward(items, layer, part);
}

// As `input_gradient`, with a latent as input: it is gathered again rather than kept whole.
void WorkBuilder::latent_up_backward(std::vector<WorkItem>& items,
                                     const Linear& linear,
                                     TensorName whole,
                                     TensorName own) const {
  const TensorId gradient = gradient_of({linear.output, linear.layer});
  const TensorId full{whole, linear.layer};
  const TensorId shard{own, linear.layer};
  const std::size_t gather_at = items.size();
  exchange_latents(items, Collective::all_gather, linear.in, shard, full, Part::tensor_parallel);
  linear_dgrad(items, linear, gradient, gradient_of(gathered(shard, full)));
  const KernelKey dgrad = std::get<KernelWork>(items.back().work).key;
  cast_gathered_input(items, linear);
  linear_wgrad(items, linear, gradient);
  const KernelKey wgrad = std::get<KernelWork>(items.back().work).key;
  const std::size_t reduce_at = items.size();
  exchange_latents(items,
                   Collective::reduce_scatter,
                   linear.in,
                   gradient_of(gathered(shard, full)),
                   gradient_of(shard),
                   Part::tensor_parallel);
  if (auto* first = std::get_if<CollectiveWork>(&items[gather_at].work)) {
    first->hides_under = dgrad;
  }
  if (reduce_at < items.size()) {
    std::get<CollectiveWork>(items[reduce_at].work).hides_under = wgrad;
  }
}

// Gradients of both latents meet at the layer's normed input.
void WorkBuilder::latent_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const LatentAttention& latent = *job_.model.latent;
  const TensorId norm = gradient_of({TensorName::norm1, layer});
  const TensorId of_queries{TensorName::norm1_of_queries, layer, true};
  const TensorId rope_key = gradient_of({TensorName::rope_key, layer});
  const TensorId rope_key_full = gradient_of({TensorName::rope_key_full, layer});
  items.push_back({Part::compute,
                   KernelWork{latent_key(KernelOp::latent_query_backward),
                              {gradient_of({TensorName::latent_query, layer})}},
                   {}});
  items.push_back({Part::compute,
                   KernelWork{latent_key(KernelOp::latent_keys_backward),
                              {gradient_of({TensorName::latent_keys, layer}),
                               gradient_of({TensorName::latent_values, layer}),
                               gradient_of({TensorName::kv_heads, layer}),
                               gathered(rope_key, rope_key_full)}},
                   {}});
  exchange_latents(items,
                   Collective::reduce_scatter,
                   latent.rope_head_size,
                   gathered(rope_key, rope_key_full),
                   rope_key,
                   Part::tensor_parallel);
  latent_up_backward(items, kv_up(layer), TensorName::kv_latent_full, TensorName::kv_latent_normed);
  latent_norm_backward(items, kv_norm(), layer, size_.row_tokens);
  join_columns(
      items,
      gradient_of({TensorName::kv_latent, layer}),
      size_.row_tokens,
      {{TensorName::kv_latent_own, latent.kv_rank}, {TensorName::rope_key, latent.rope_head_size}});
  linear_dgrad(items, kv_down(layer), gradient_of({TensorName::kv_latent, layer}), norm);
  linear_wgrad(items, kv_down(layer), gradient_of({TensorName::kv_latent, layer}));
  if (latent.query_rank) {
    latent_up_backward(
        items, query_up(layer), TensorName::query_latent_full, TensorName::query_latent_normed);
    latent_norm_backward(items, query_norm(), layer, size_.row_tokens);
    linear_dgrad(
        items, query_down(layer), gradient_of({TensorName::query_latent, layer}), of_queries);
    linear_wgrad(items, query_down(layer), gradient_of({TensorName::query_latent, layer}));
  } else {
    input_gradient(items,
                   query_up(layer),
                   {.input = {TensorName::norm1, layer},
                    .input_full = {TensorName::norm1_full, layer},
                    .gradient = gradient_of({TensorName::latent_query, layer}),
                    .to = of_queries,
                    .to_full = gradient_of({TensorName::norm1_full, layer})});
  }
  items.push_back({Part::compute,
                   KernelWork{rows_key(KernelOp::add, size_.row_tokens, size_.hidden),
                              {norm, of_queries, norm}},
                   {}});
}

}  // namespace forerun
