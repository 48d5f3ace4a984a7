// Families of one block: RMSNorm before attention and a gated FFN.
#include <array>
#include <string>

#include "jobs/families.hpp"
#include "jobs/family_reading.hpp"

namespace forerun {

namespace {

// Qwen gives the window only to the layers from max_window_layers on.
void read_qwen_window(const ConfigFields& fields,
                      std::int64_t default_full_layers,
                      ModelShape& model) {
  if (!fields.flag_or("use_sliding_window", false)) {
    return;
  }
  const auto window = fields.nullable_size("sliding_window", 4096);
  const std::int64_t full_layers = fields.count_or("max_window_layers", default_full_layers);
  if (!window || (full_layers >= model.layers && !fields.is_filled("layer_types"))) {
    return;
  }
  model.attention.window = window;
  if (full_layers > 0) {
    list_kinds(model);
    for (std::int64_t layer = 0; layer < std::min(full_layers, model.layers); ++layer) {
      model.kinds[static_cast<std::size_t>(layer)].windowed = false;
    }
  }
  read_layer_types(fields, model);
}

// Every `period`-th layer sees all of the context.
void read_window_period(const ConfigFields& fields, std::int64_t period, ModelShape& model) {
  list_kinds(model);
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    model.kinds[static_cast<std::size_t>(layer)].windowed = (layer + 1) % period != 0;
  }
  read_layer_types(fields, model);
}

// What the three generations share: heads of 256, GeGLU, scaled and tied embeddings.
ModelShape gemma_shape(const ConfigFields& fields, std::int64_t positions, std::int64_t kv_heads) {
  ModelShape model = decoder_shape(fields, positions);
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", true);
  model.embedding_scale = true;
  read_heads(fields, {kv_heads, 256}, model);
  read_attention_bias(fields, model);
  static const std::array<std::string, 2> keys{"hidden_activation", "hidden_act"};
  model.activation =
      gated_activation(fields, fields.is_filled(keys[0]) ? keys[0] : keys[1], "gelu_pytorch_tanh");
  return model;
}

}  // namespace

// LlamaConfig: heads of their own size (head_dim), biases off.
ModelShape read_llama(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 2048);
  read_heads(fields, {}, model);
  read_attention_bias(fields, model);
  model.mlp_bias = fields.flag_or("mlp_bias", false);
  return model;
}

// MistralConfig: 8 key-value heads; a window of 4096 unless it is null.
ModelShape read_mistral(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 131072);
  read_heads(fields, {8, std::nullopt}, model);
  model.attention.window = fields.nullable_size("sliding_window", 4096);
  read_layer_types(fields, model);
  return model;
}

// Phi3Config: q, k and v in one matrix, gate and up in another; no window unless said.
ModelShape read_phi3(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 4096);
  read_heads(fields, {}, model);
  read_rotary_part(fields, "partial_rotary_factor", 1.0, model);
  model.attention.window = fields.nullable_size("sliding_window", std::nullopt);
  return model;
}

// Qwen2Config: biases on queries, keys and values, none on the output.
ModelShape read_qwen2(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 32768);
  read_heads(fields, {32, std::nullopt}, model);
  model.attention.qkv_bias = true;
  read_qwen_window(fields, 28, model);
  return model;
}

// Qwen3Config: head_dim 128 whatever the hidden size; an RMSNorm on queries and keys.
ModelShape read_qwen3(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 32768);
  read_heads(fields, {32, 128}, model);
  model.attention.qk_norm = true;
  read_attention_bias(fields, model);
  read_qwen_window(fields, 28, model);
  return model;
}

// GemmaConfig.
ModelShape read_gemma(const ConfigFields& fields) {
  return gemma_shape(fields, 8192, 16);
}

// Gemma2Config: norms of outputs too, windows in every other layer, caps on scores and logits.
ModelShape read_gemma2(const ConfigFields& fields) {
  ModelShape model = gemma_shape(fields, 8192, 4);
  model.post_norms = true;
  model.attention.softcap = fields.nullable_number("attn_logit_softcapping", 50.0);
  model.logit_softcap = fields.nullable_number("final_logit_softcapping", 30.0);
  model.attention.window = fields.nullable_size("sliding_window", 4096);
  read_window_period(fields, 2, model);
  return model;
}

// Gemma3TextConfig, whose published files leave out heads and vocabulary: norms of outputs, of
// queries and of keys, five layers with a window to one without.
ModelShape read_gemma3_text(const ConfigFields& fields) {
  ModelShape model;
  model.layers = layer_count(fields, "num_hidden_layers");
  model.hidden = fields.size("hidden_size");
  model.ffn_hidden = fields.size("intermediate_size");
  model.vocabulary = fields.size_or("vocab_size", 262208);
  model.attention.heads = fields.size_or("num_attention_heads", 8);
  model.max_positions = fields.size_or("max_position_embeddings", 131072);
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", true);
  model.embedding_scale = true;
  model.post_norms = true;
  read_heads(fields, {4, 256}, model);
  read_attention_bias(fields, model);
  model.attention.qk_norm = true;
  model.activation = gated_activation(fields, "hidden_activation", "gelu_pytorch_tanh");
  model.attention.softcap = fields.nullable_number("attn_logit_softcapping", std::nullopt);
  model.logit_softcap = fields.nullable_number("final_logit_softcapping", std::nullopt);
  model.attention.window = fields.nullable_size("sliding_window", 4096);
  read_window_period(fields, fields.size_or("sliding_window_pattern", 6), model);
  return model;
}

// Gemma3Config: the text model beside a vision tower, which is not read.
ModelShape read_gemma3(const ConfigFields& fields) {
  return read_gemma3_text(fields.inside("text_config"));
}

}  // namespace forerun
