// Sums over the matrices, biases and norms of a model, and the multiply-adds of one token.
#include "jobs/parameter_count.hpp"

#include <algorithm>

#include "units/unit.hpp"

namespace forerun {
namespace {

// Width of all query heads (or of all key or value heads with `heads` = kv_heads).
std::int64_t width_of(const AttentionShape& attention, std::int64_t heads) {
  return heads * attention.head_size;
}

// FFN matrices: gate, up and down, or up and down.
std::int64_t ffn_matrices(Activation activation) {
  switch (activation) {
    case Activation::swiglu:
      return 3;
    case Activation::gelu:
      return 2;
  }
  return 0;
}

std::int64_t ffn_weights(const ModelShape& model, std::int64_t width) {
  return ffn_matrices(model.activation) * model.hidden * width;
}

// Weight and, for LayerNorm, bias of one norm over the hidden size.
std::int64_t norm_parameters(const ModelShape& model) {
  return model.norm == Norm::layer_norm ? 2 * model.hidden : model.hidden;
}

std::int64_t grouped_attention(const ModelShape& model) {
  const AttentionShape& attention = model.attention;
  const std::int64_t q = width_of(attention, attention.heads);
  const std::int64_t kv = width_of(attention, attention.kv_heads);
  std::int64_t count = model.hidden * (q + 2 * kv) + q * model.hidden;
  count += attention.qkv_bias ? q + 2 * kv : 0;
  count += attention.output_bias ? model.hidden : 0;
  count += attention.qk_norm ? 2 * attention.head_size : 0;
  return count;
}

// Weights of the projections, without norms and biases: DeepSeek-V2, section 2.1.
std::int64_t latent_weights(const ModelShape& model, const LatentAttention& latent) {
  const std::int64_t heads = model.attention.heads;
  const std::int64_t qk_size = latent.nope_head_size + latent.rope_head_size;
  const std::int64_t query = latent.query_rank
                                 ? *latent.query_rank * (model.hidden + heads * qk_size)
                                 : model.hidden * heads * qk_size;
  const std::int64_t down = model.hidden * (latent.kv_rank + latent.rope_head_size);
  const std::int64_t up = latent.kv_rank * heads * (latent.nope_head_size + latent.value_head_size);
  const std::int64_t output = heads * latent.value_head_size * model.hidden;
  return query + down + up + output;
}

// Norms of the latents, and the biases of the down projections and of the output.
std::int64_t latent_attention(const ModelShape& model, const LatentAttention& latent) {
  const std::int64_t norms = latent.query_rank.value_or(0) + latent.kv_rank;
  std::int64_t biases = model.attention.output_bias ? model.hidden : 0;
  if (model.attention.qkv_bias) {
    biases += latent.query_rank.value_or(0) + latent.kv_rank + latent.rope_head_size;
  }
  return latent_weights(model, latent) + norms + biases;
}

std::int64_t dense_layer_count(const ModelShape& model) {
  return model.moe ? std::min(model.moe->dense_layers, model.layers) : model.layers;
}

std::int64_t sum_of(const LayerParameters& layer) {
  return layer.attention + layer.ffn + layer.routed_experts + layer.shared_experts + layer.router +
         layer.norms;
}

// Keys that a query attends to on average: s/2 under a causal mask; with a window w < s the
// first w queries see w/2 on average and the others w, w - w^2/(2s) in all.
double mean_context(const ModelShape& model, double sequence) {
  const auto& window = model.attention.window;
  if (window && static_cast<double>(*window) < sequence) {
    const auto w = static_cast<double>(*window);
    return w - w * w / (2.0 * sequence);
  }
  return sequence / 2.0;
}

// Forward multiply-adds per token of QK^T and PV: heads * (query-key size + value size) * context.
double core_attention_macs(const ModelShape& model, double sequence) {
  const std::int64_t sizes = model.latent
                                 ? model.latent->nope_head_size + model.latent->rope_head_size +
                                       model.latent->value_head_size
                                 : 2 * model.attention.head_size;
  return static_cast<double>(model.attention.heads * sizes) * mean_context(model, sequence);
}

// Forward multiply-adds per token of the attention projections: their weights, each used once.
std::int64_t projection_macs(const ModelShape& model) {
  const AttentionShape& attention = model.attention;
  if (model.latent) {
    return latent_weights(model, *model.latent);
  }
  return 2 * model.hidden *
         (width_of(attention, attention.heads) + width_of(attention, attention.kv_heads));
}

// Forward multiply-adds per token of all FFN, shared experts included, routers left out.
std::int64_t ffn_macs(const ModelShape& model) {
  const std::int64_t dense = dense_layer_count(model);
  std::int64_t macs = dense * ffn_weights(model, model.ffn_hidden);
  if (model.moe) {
    const std::int64_t width =
        model.moe->top_k * model.moe->expert_hidden + model.moe->shared_hidden;
    macs += (model.layers - dense) * ffn_weights(model, width);
  }
  return macs;
}

}  // namespace

LayerParameters layer_parameters(const ModelShape& model, std::int64_t layer) {
  LayerParameters count;
  count.attention =
      model.latent ? latent_attention(model, *model.latent) : grouped_attention(model);
  count.norms = 2 * norm_parameters(model);
  if (layer < dense_layer_count(model)) {
    const std::int64_t inner = (ffn_matrices(model.activation) - 1) * model.ffn_hidden;
    count.ffn = ffn_weights(model, model.ffn_hidden) + (model.mlp_bias ? inner + model.hidden : 0);
    return count;
  }
  const MixtureOfExperts& moe = *model.moe;
  count.routed_experts = moe.experts * ffn_weights(model, moe.expert_hidden);
  count.shared_experts = ffn_weights(model, moe.shared_hidden);
  count.router = moe.experts * model.hidden + (moe.router_bias ? moe.experts : 0);
  return count;
}

ParameterCount count_parameters(const ModelShape& model) {
  ParameterCount count;
  count.embedding = model.vocabulary * model.hidden;
  count.positions = model.position == Position::learned ? model.max_positions * model.hidden : 0;
  count.final_norm = norm_parameters(model);
  count.head = model.tied_embeddings ? 0 : model.vocabulary * model.hidden;
  const std::int64_t dense = dense_layer_count(model);
  if (dense > 0) {
    count.layers += dense * sum_of(layer_parameters(model, 0));
  }
  std::int64_t idle = 0;
  if (dense < model.layers) {
    const std::int64_t sparse = model.layers - dense;
    count.layers += sparse * sum_of(layer_parameters(model, dense));
    const std::int64_t unused = model.moe->experts - model.moe->top_k;
    idle = sparse * unused * ffn_weights(model, model.moe->expert_hidden);
  }
  count.total = count.embedding + count.positions + count.layers + count.final_norm + count.head;
  count.active = count.total - idle;
  return count;
}

// Megatron-LM, num_floating_point_operations: two FLOP a multiply-add; the backward pass costs
// twice the forward one. The output layer counts once, the look-up of the embedding nothing.
Flops model_flops_per_token(const ModelShape& model, std::int64_t sequence) {
  const auto layers = static_cast<double>(model.layers);
  const double attention = layers * (static_cast<double>(projection_macs(model)) +
                                     core_attention_macs(model, static_cast<double>(sequence)));
  const auto ffn = static_cast<double>(ffn_macs(model));
  const auto head = static_cast<double>(model.hidden * model.vocabulary);
  constexpr double flop_per_mac = 2.0;
  constexpr double passes = 3.0;
  return passes * flop_per_mac * (attention + ffn + head) * unit::flop;
}

}  // namespace forerun
