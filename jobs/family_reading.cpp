#include "jobs/family_reading.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "jobs/model_family.hpp"
#include "units/input_error.hpp"

namespace forerun {

std::int64_t layer_count(const ConfigFields& fields, const std::string& key) {
  const std::int64_t layers = fields.size(key);
  if (layers > most_layers) {
    fields.refuse(key, fmt::format("{} is {}; expected at most {}", key, layers, most_layers));
  }
  return layers;
}

std::string first_of(const ConfigFields& fields, std::span<const std::string> keys) {
  const auto found =
      std::ranges::find_if(keys, [&](const std::string& key) { return fields.has(key); });
  return found == keys.end() ? keys.front() : *found;
}

void require_word(const ConfigFields& fields,
                  const std::string& key,
                  const std::string& word,
                  std::span<const std::string> known) {
  if (std::ranges::find(known, word) == known.end()) {
    fields.refuse(key,
                  fmt::format("{} '{}' is not known; expected {}; the nearest is '{}'",
                              key,
                              word,
                              listed(known),
                              nearest(word, known)));
  }
}

Activation gated_activation(const ConfigFields& fields,
                            const std::string& key,
                            const std::string& fallback) {
  static const std::array<std::string, 5> known{
      "silu", "swish", "gelu", "gelu_new", "gelu_pytorch_tanh"};
  const std::string name = fields.word_or(key, fallback);
  require_word(fields, key, name, known);
  return name.starts_with("gelu") ? Activation::geglu : Activation::swiglu;
}

Activation plain_activation(const ConfigFields& fields,
                            const std::string& key,
                            const std::string& fallback) {
  static const std::array<std::string, 6> known{
      "gelu_new", "gelu", "gelu_fast", "gelu_pytorch_tanh", "relu", "relu2"};
  const std::string name = fields.word_or(key, fallback);
  require_word(fields, key, name, known);
  if (name.starts_with("gelu")) {
    return Activation::gelu;
  }
  return name == "relu" ? Activation::relu : Activation::relu_squared;
}

std::int64_t hidden_over_heads(const ConfigFields& fields,
                               const ModelShape& model,
                               const std::string& heads_key) {
  const std::int64_t heads = model.attention.heads;
  if (model.hidden % heads != 0) {
    fields.refuse(
        heads_key,
        fmt::format("{} {} does not divide the hidden size {}", heads_key, heads, model.hidden));
  }
  return model.hidden / heads;
}

ModelShape decoder_shape(const ConfigFields& fields, std::int64_t default_positions) {
  ModelShape model;
  model.layers = layer_count(fields, "num_hidden_layers");
  model.hidden = fields.size("hidden_size");
  model.ffn_hidden = fields.size("intermediate_size");
  model.vocabulary = fields.size("vocab_size");
  model.attention.heads = fields.size("num_attention_heads");
  model.max_positions = fields.size_or("max_position_embeddings", default_positions);
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", false);
  model.activation = gated_activation(fields);
  return model;
}

void read_heads(const ConfigFields& fields, const HeadDefaults& defaults, ModelShape& model) {
  AttentionShape& attention = model.attention;
  attention.kv_heads =
      fields.nullable_size("num_key_value_heads", defaults.kv_heads).value_or(attention.heads);
  if (attention.heads % attention.kv_heads != 0) {
    fields.refuse("num_key_value_heads",
                  fmt::format("num_key_value_heads {} does not divide the {} attention heads",
                              attention.kv_heads,
                              attention.heads));
  }
  const auto head_size = fields.nullable_size("head_dim", defaults.head_size);
  attention.head_size =
      head_size ? *head_size : hidden_over_heads(fields, model, "num_attention_heads");
}

void read_attention_bias(const ConfigFields& fields, ModelShape& model, bool fallback) {
  model.attention.qkv_bias = model.attention.output_bias =
      fields.flag_or("attention_bias", fallback);
}

void read_rotary_part(const ConfigFields& fields,
                      const std::string& key,
                      double fallback,
                      ModelShape& model) {
  const double part = fields.nullable_number(key, fallback).value_or(fallback);
  const double size = part * static_cast<double>(model.attention.head_size);
  // transformers cuts the product to a whole number: 0.4 of 80 is 32.
  const auto turned = static_cast<std::int64_t>(size + 1e-9);
  if (part > 1.0 || turned % 2 != 0 || turned == 0) {
    fields.refuse(key,
                  fmt::format("{} {} of heads of {} elements does not give pairs to turn",
                              key,
                              part,
                              model.attention.head_size));
  }
  model.attention.rotary_size = turned == model.attention.head_size ? 0 : turned;
}

void list_kinds(ModelShape& model) {
  std::vector<LayerKind> kinds;
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    kinds.push_back(kind_of(model, layer));
  }
  model.kinds = std::move(kinds);
}

void read_layer_types(const ConfigFields& fields, ModelShape& model) {
  static const std::array<std::string, 4> known{
      "full_attention", "sliding_attention", "chunked_attention", "linear_attention"};
  const auto types = fields.words("layer_types");
  if (types.empty()) {
    return;
  }
  if (std::ssize(types) != model.layers) {
    fields.refuse(
        "layer_types",
        fmt::format("layer_types has {} entries for {} layers", types.size(), model.layers));
  }
  list_kinds(model);
  for (std::size_t i = 0; i < types.size(); ++i) {
    require_word(fields, "layer_types", types[i], known);
    if (types[i] == "linear_attention" && !model.delta_net) {
      fields.refuse("layer_types", "linear_attention is known of qwen3_next only");
    }
    model.kinds[i].mixer = types[i] == "linear_attention" ? Mixer::delta_net : Mixer::attention;
    model.kinds[i].windowed = types[i] == "sliding_attention" || types[i] == "chunked_attention";
  }
}

void require_top_k(const ConfigFields& fields, const MixtureOfExperts& moe) {
  if (moe.top_k > moe.experts) {
    fields.refuse(
        "num_experts_per_tok",
        fmt::format("num_experts_per_tok {} is more than the {} experts", moe.top_k, moe.experts));
  }
}

MixtureOfExperts local_experts(const ConfigFields& fields,
                               const ModelShape& model,
                               std::int64_t experts,
                               std::int64_t top_k) {
  MixtureOfExperts moe;
  moe.experts = fields.size_or("num_local_experts", experts);
  moe.top_k = fields.size_or("num_experts_per_tok", top_k);
  moe.expert_hidden = model.ffn_hidden;
  require_top_k(fields, moe);
  return moe;
}

}  // namespace forerun
