#include "estimator/capacity/serving_memory.hpp"

#include <algorithm>

#include "jobs/parameter_count.hpp"
#include "units/integer.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// The largest stage's share of what all layers add up to.
double stage_share(const ServedModel& served) {
  const std::int64_t stages = served.layout.pipeline;
  const std::int64_t most = (served.model.layers + stages - 1) / stages;
  return real(most) / real(served.model.layers);
}

std::int64_t local(std::int64_t heads, std::int64_t tensor) {
  return std::max<std::int64_t>(1, heads / tensor);
}

// Key-value heads fewer than ranks are held several times; MLA's down projections by every rank.
double attention_weights(const ServedModel& served) {
  const ModelShape& model = served.model;
  const AttentionShape& attention = model.attention;
  const double heads = real(local(attention.heads, served.layout.tensor));
  if (model.latent) {
    const LatentAttention& l = *model.latent;
    const double query = heads * real(l.nope_head_size + l.rope_head_size);
    const double down = real(l.query_rank.value_or(0) + l.kv_rank + l.rope_head_size);
    return real(model.hidden) * down + real(l.query_rank.value_or(model.hidden)) * query +
           real(l.kv_rank) * heads * real(l.nope_head_size + l.value_head_size) +
           heads * real(l.value_head_size * model.hidden);
  }
  const double kv = real(local(attention.kv_heads, served.layout.tensor));
  const double query_sized = attention.output_gate ? 3.0 : 2.0;
  return real(model.hidden * attention.head_size) * (query_sized * heads + 2.0 * kv);
}

// Elements that one layer caches for a token, over all heads; nothing where the mixer has a state.
double cached_elements(const ModelShape& model, std::int64_t kv_heads) {
  if (model.latent) {
    return real(model.latent->kv_rank + model.latent->rope_head_size);
  }
  return 2.0 * real(kv_heads * model.attention.head_size);
}

// Elements of a layer's state that one sequence keeps: channels times states, and the inputs that
// the convolution still needs.
double state_elements(const ModelShape& model, Mixer mixer) {
  switch (mixer) {
    case Mixer::mamba: {
      const StateSpace& s = *model.state_space;
      return real(s.inner * (s.state + s.conv_width - 1));
    }
    case Mixer::mamba2: {
      const StateSpace& s = *model.state_space;
      return real(s.inner * s.state + (s.inner + 2 * s.groups * s.state) * (s.conv_width - 1));
    }
    case Mixer::delta_net: {
      const DeltaNet& d = *model.delta_net;
      const std::int64_t channels = 2 * d.key_heads * d.key_size + d.value_heads * d.value_size;
      return real(d.value_heads * d.key_size * d.value_size + channels * (d.conv_width - 1));
    }
    case Mixer::attention:
    case Mixer::none:
      break;
  }
  return 0.0;
}

Bytes cached(const ModelShape& model, ServingPrecision cache, double tokens, std::int64_t tensor) {
  Bytes total;
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    const Mixer mixer = kind_of(model, layer).mixer;
    if (mixer == Mixer::attention) {
      const auto window = window_of(model, layer);
      const double kept = window ? std::min(tokens, real(*window)) : tokens;
      const std::int64_t heads = local(model.attention.kv_heads, tensor);
      total += kept * cached_elements(model, heads) * size_of(cache_type(cache));
    } else {
      total += state_elements(model, mixer) / real(tensor) * size_of(activation_type(cache));
    }
  }
  return total;
}

}  // namespace

Bytes weight_bytes(const ServedModel& served) {
  const ModelShape& model = served.model;
  const double tensor = real(served.layout.tensor);
  double quantised = 0.0;
  double plain = 0.0;
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    const LayerParameters parts = layer_parameters(model, layer);
    quantised += parts.attention > 0 ? attention_weights(served) : 0.0;
    quantised += real(parts.state_space + parts.ffn + parts.shared_experts) / tensor;
    quantised += real(parts.routed_experts) / real(stage_ranks(served.layout));
    plain += real(parts.router + parts.norms);
  }
  const ParameterCount count = count_parameters(model);
  const double embedding = real(count.embedding + count.positions) / tensor;
  const double head = real(count.head) / tensor;
  const double edges = served.layout.pipeline == 1 ? embedding + head : std::max(embedding, head);
  const Bytes weight = size_of(served.format.weights);
  const Bytes full = size_of(activation_type(served.format.weights));
  return stage_share(served) * (quantised * weight + plain * full) + edges * full;
}

Bytes cache_bytes(const ServedModel& served, double tokens) {
  return stage_share(served) *
         cached(served.model, served.format.cache, tokens, served.layout.tensor);
}

Bytes cache_bytes(const ModelShape& model, ServingPrecision cache, double tokens) {
  return cached(model, cache, tokens, 1);
}

Bytes workspace_bytes(const ServedModel& served, const PassShape& pass) {
  const ModelShape& model = served.model;
  const std::int64_t tensor = served.layout.tensor;
  double widest =
      real((model.attention.heads + 2 * model.attention.kv_heads) * model.attention.head_size) /
      real(tensor);
  if (has_ffn(model, FeedForward::dense)) {
    widest = std::max(widest, 3.0 * real(model.ffn_hidden) / real(tensor));
  }
  if (model.moe) {
    const double copies =
        real(model.moe->top_k) * real(attention_groups(served.layout)) / real(served.layout.expert);
    widest = std::max(widest,
                      copies * (real(expert_width(model)) + 3.0 * real(model.moe->expert_hidden)));
  }
  const double rows = real(rows_of(pass));
  const Bytes activation = size_of(activation_type(served.format.weights));
  const double sequences = real(std::max<std::int64_t>(1, pass.decodes * pass.queries));
  return rows * (2.0 * real(model.hidden) + widest) * activation +
         sequences * real(model.vocabulary) * size_of(DataType::fp32);
}

}  // namespace forerun
