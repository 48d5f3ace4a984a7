// Sums over the matrices, biases and norms of a model.
#include "jobs/parameter_count.hpp"

#include <algorithm>

namespace forerun {
namespace {

// Matrices of one FFN of tokens of `outer` elements: gate, up and down, or up and down.
std::int64_t ffn_weights(const ModelShape& model, std::int64_t outer, std::int64_t width) {
  return (is_gated(model.activation) ? 3 : 2) * outer * width;
}

std::int64_t ffn_biases(const ModelShape& model, std::int64_t width) {
  return (is_gated(model.activation) ? 2 : 1) * width + model.hidden;
}

// Weight and, for LayerNorm, bias of one norm over the hidden size.
std::int64_t norm_parameters(const ModelShape& model) {
  return model.norm == Norm::layer_norm && model.norm_bias ? 2 * model.hidden : model.hidden;
}

std::int64_t grouped_attention(const ModelShape& model) {
  const AttentionShape& attention = model.attention;
  const std::int64_t q = attention.heads * attention.head_size;
  const std::int64_t kv = attention.kv_heads * attention.head_size;
  std::int64_t count = model.hidden * (q + 2 * kv) + q * model.hidden;
  count += attention.output_gate ? model.hidden * q : 0;
  count += attention.qkv_bias ? q + 2 * kv : 0;
  count += attention.output_bias ? model.hidden : 0;
  count += attention.qk_norm ? 2 * attention.head_size : 0;
  count += attention.sinks ? attention.heads : 0;
  return count;
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

// in_proj, conv1d, x_proj, dt_proj with bias, A_log, D, out_proj; Jamba's norms of dt, B and C.
std::int64_t mamba_mixer(const ModelShape& model, const StateSpace& s) {
  const std::int64_t inputs = s.dt_rank + 2 * s.state;
  std::int64_t count = model.hidden * 2 * s.inner + s.inner * model.hidden;
  count += s.inner * (s.conv_width + (s.conv_bias ? 1 : 0));
  count += s.inner * inputs + (s.dt_rank + 1) * s.inner;
  count += s.inner * (s.state + 1);
  count += s.projection_bias ? 2 * s.inner + model.hidden : 0;
  count += s.inner_norms ? inputs : 0;
  return count;
}

// in_proj to gate, x, B, C and dt; conv1d over x, B and C; A_log, D and dt_bias of each head; the
// gated norm; out_proj.
std::int64_t mamba2_mixer(const ModelShape& model, const StateSpace& s) {
  const std::int64_t convolved = s.inner + 2 * s.groups * s.state;
  const std::int64_t projected = s.inner + convolved + s.heads;
  std::int64_t count = model.hidden * projected + s.inner * model.hidden;
  count += convolved * (s.conv_width + (s.conv_bias ? 1 : 0));
  count += 3 * s.heads + s.inner;
  count += s.projection_bias ? projected + model.hidden : 0;
  return count;
}

// Projections to q, k, v, output gate, beta and decay; conv1d over q, k and v without bias; A_log
// and dt_bias of each value head; the norm of value heads; out_proj.
std::int64_t delta_mixer(const ModelShape& model, const DeltaNet& d) {
  const std::int64_t keys = d.key_heads * d.key_size;
  const std::int64_t values = d.value_heads * d.value_size;
  return model.hidden * (2 * keys + 2 * values + 2 * d.value_heads) +
         (2 * keys + values) * d.conv_width + 2 * d.value_heads + d.value_size +
         values * model.hidden;
}

void add_mixer(LayerParameters& count, const ModelShape& model, Mixer mixer) {
  switch (mixer) {
    case Mixer::attention:
      count.attention =
          model.latent ? latent_attention(model, *model.latent) : grouped_attention(model);
      break;
    case Mixer::mamba:
      count.state_space = mamba_mixer(model, *model.state_space);
      break;
    case Mixer::mamba2:
      count.state_space = mamba2_mixer(model, *model.state_space);
      break;
    case Mixer::delta_net:
      count.state_space = delta_mixer(model, *model.delta_net);
      break;
    case Mixer::none:
      break;
  }
}

std::int64_t one_expert(const ModelShape& model) {
  const MixtureOfExperts& moe = *model.moe;
  return ffn_weights(model, expert_width(model), moe.expert_hidden) +
         (moe.expert_bias ? ffn_biases(model, moe.expert_hidden) : 0);
}

void add_ffn(LayerParameters& count, const ModelShape& model, FeedForward ffn) {
  if (ffn == FeedForward::dense) {
    count.ffn = ffn_weights(model, model.hidden, model.ffn_hidden) +
                (model.mlp_bias ? ffn_biases(model, model.ffn_hidden) : 0);
  } else if (ffn == FeedForward::experts) {
    const MixtureOfExperts& moe = *model.moe;
    count.routed_experts = moe.experts * one_expert(model);
    count.shared_experts =
        ffn_weights(model, model.hidden, moe.shared_hidden) + (moe.shared_gate ? model.hidden : 0);
    count.router = moe.experts * model.hidden + (moe.router_bias ? moe.experts : 0) +
                   2 * moe.latent * model.hidden;
  }
}

std::int64_t norms_of(const ModelShape& model, const LayerKind& kind) {
  if (model.block == Block::parallel) {
    return 1;
  }
  const std::int64_t halves =
      (kind.mixer == Mixer::none ? 0 : 1) + (kind.ffn == FeedForward::none ? 0 : 1);
  return (model.post_norms ? 2 : 1) * halves;
}

}  // namespace

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

std::int64_t sum_of(const LayerParameters& layer) {
  return layer.attention + layer.state_space + layer.ffn + layer.routed_experts +
         layer.shared_experts + layer.router + layer.norms;
}

LayerParameters layer_parameters(const ModelShape& model, std::int64_t layer) {
  const LayerKind kind = kind_of(model, layer);
  LayerParameters count;
  add_mixer(count, model, kind.mixer);
  add_ffn(count, model, kind.ffn);
  count.norms = norms_of(model, kind) * norm_parameters(model);
  return count;
}

ParameterCount count_parameters(const ModelShape& model) {
  const std::int64_t table = model.vocabulary * model.hidden;
  ParameterCount count;
  count.embedding = table + (model.embedding_norm ? norm_parameters(model) : 0);
  count.positions = model.position == Position::learned ? position_rows(model) * model.hidden : 0;
  count.final_norm = norm_parameters(model);
  count.head = (model.tied_embeddings ? 0 : table) + (model.head_bias ? model.vocabulary : 0);
  std::int64_t idle = 0;
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    count.layers += sum_of(layer_parameters(model, layer));
    if (kind_of(model, layer).ffn == FeedForward::experts) {
      idle += (model.moe->experts - model.moe->top_k) * one_expert(model);
    }
  }
  count.total = count.embedding + count.positions + count.layers + count.final_norm + count.head;
  count.active = count.total - idle;
  return count;
}

}  // namespace forerun
