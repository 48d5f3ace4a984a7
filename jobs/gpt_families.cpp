// Families of LayerNorm and an ungated FFN.
#include <array>
#include <string>

#include <fmt/format.h>

#include "jobs/families.hpp"
#include "jobs/family_reading.hpp"

namespace forerun {

namespace {

struct Keys {
  std::string layers = "num_hidden_layers";
  std::string hidden = "hidden_size";
  std::string heads = "num_attention_heads";
};

// Layers, widths and heads of one size, as many keys and values as queries; LayerNorm, GELU.
ModelShape gpt_shape(const ConfigFields& fields, const Keys& keys) {
  ModelShape model;
  model.layers = layer_count(fields, keys.layers);
  model.hidden = fields.size(keys.hidden);
  model.vocabulary = fields.size("vocab_size");
  model.attention.heads = model.attention.kv_heads = fields.size(keys.heads);
  model.attention.head_size = hidden_over_heads(fields, model, keys.heads);
  model.ffn_hidden = 4 * model.hidden;
  model.norm = Norm::layer_norm;
  model.activation = Activation::gelu;
  return model;
}

void set_biases(ModelShape& model, bool biases) {
  model.attention.qkv_bias = model.attention.output_bias = model.mlp_bias = biases;
}

void require_flag(const ConfigFields& fields, const std::string& key, bool expected) {
  if (fields.flag_or(key, expected) != expected) {
    fields.refuse(key, fmt::format("only {} {} is modelled", key, expected));
  }
}

}  // namespace

// GPT2Config: biases everywhere, learned positions, an FFN of four times the width;
// tie_word_embeddings is PretrainedConfig's true.
ModelShape read_gpt2(const ConfigFields& fields) {
  ModelShape model = gpt_shape(fields, {"n_layer", "n_embd", "n_head"});
  set_biases(model, true);
  model.ffn_hidden = fields.size_or("n_inner", 4 * model.hidden);
  model.max_positions = fields.size_or("n_positions", 1024);
  model.position = Position::learned;
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", true);
  model.activation = plain_activation(fields, "activation_function", "gelu_new");
  return model;
}

// GPTJConfig: one norm for both halves, biases in the FFN and the head. It turns neighbouring
// elements where GPT-NeoX turns halves: the same work.
ModelShape read_gptj(const ConfigFields& fields) {
  ModelShape model = gpt_shape(fields, {"n_layer", "n_embd", "n_head"});
  model.block = Block::parallel;
  model.mlp_bias = model.head_bias = true;
  model.ffn_hidden = fields.size_or("n_inner", 4 * model.hidden);
  model.max_positions = fields.size_or("n_positions", 2048);
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", false);
  model.activation = plain_activation(fields, "activation_function", "gelu_new");
  const std::int64_t turned =
      fields.nullable_size("rotary_dim", 64).value_or(model.attention.head_size);
  if (turned > model.attention.head_size || turned % 2 != 0) {
    fields.refuse("rotary_dim",
                  fmt::format("rotary_dim {} is odd or more than the {} elements of a head",
                              turned,
                              model.attention.head_size));
  }
  model.attention.rotary_size = turned == model.attention.head_size ? 0 : turned;
  return model;
}

// GPTNeoXConfig: two norms beside each other unless use_parallel_residual is off.
ModelShape read_gpt_neox(const ConfigFields& fields) {
  ModelShape model = gpt_shape(fields, {});
  model.ffn_hidden = fields.size("intermediate_size");
  model.max_positions = fields.size_or("max_position_embeddings", 2048);
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", false);
  model.activation = plain_activation(fields, "hidden_act", "gelu");
  model.mlp_bias = true;
  read_attention_bias(fields, model, true);
  read_rotary_part(fields, "rotary_pct", 0.25, model);
  model.block =
      fields.flag_or("use_parallel_residual", true) ? Block::parallel_two_norms : Block::sequential;
  return model;
}

// OPTConfig: ReLU; two rows of the position table stand before the first position.
ModelShape read_opt(const ConfigFields& fields) {
  ModelShape model = gpt_shape(fields, {});
  set_biases(model, fields.flag_or("enable_bias", true));
  model.ffn_hidden = fields.size("ffn_dim");
  model.max_positions = fields.size_or("max_position_embeddings", 2048);
  model.position = Position::learned;
  model.position_offset = 2;
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", true);
  model.activation = plain_activation(fields, "activation_function", "relu");
  require_flag(fields, "do_layer_norm_before", true);
  require_flag(fields, "_remove_final_layer_norm", false);
  if (fields.size_or("word_embed_proj_dim", model.hidden) != model.hidden) {
    fields.refuse(
        "word_embed_proj_dim",
        fmt::format("only a word_embed_proj_dim of the hidden size {} is modelled", model.hidden));
  }
  return model;
}

// BloomConfig: ALiBi, biases everywhere, a norm behind the embedding. Files of different age call
// width, layers and heads differently.
ModelShape read_bloom(const ConfigFields& fields) {
  static const std::array<std::string, 2> layers{"n_layer", "num_hidden_layers"};
  static const std::array<std::string, 3> hidden{"hidden_size", "n_embed", "n_embd"};
  static const std::array<std::string, 2> heads{"n_head", "num_attention_heads"};
  ModelShape model = gpt_shape(
      fields, {first_of(fields, layers), first_of(fields, hidden), first_of(fields, heads)});
  set_biases(model, true);
  model.position = Position::alibi;
  model.embedding_norm = true;
  model.max_positions = fields.size_or("seq_length", 2048);
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", true);
  return model;
}

// FalconConfig: 7B has one norm and one KV head, the new decoder architecture (40B, 180B) two norms
// and groups; falcon-rw has ALiBi and one half after the other.
ModelShape read_falcon(const ConfigFields& fields) {
  ModelShape model = gpt_shape(fields, {});
  set_biases(model, fields.flag_or("bias", false));
  model.ffn_hidden = fields.size_or("ffn_hidden_size", 4 * model.hidden);
  model.max_positions = fields.size_or("max_position_embeddings", 2048);
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", true);
  model.activation = plain_activation(fields, "activation", "gelu");
  model.position = fields.flag_or("alibi", false) ? Position::alibi : Position::rope;
  const std::int64_t heads = model.attention.heads;
  if (fields.flag_or("new_decoder_architecture", false)) {
    model.attention.kv_heads = fields.size_or("num_kv_heads", heads);
    model.block = fields.size_or("num_ln_in_parallel_attn", 2) == 1 ? Block::parallel
                                                                    : Block::parallel_two_norms;
  } else {
    model.attention.kv_heads = fields.flag_or("multi_query", true) ? 1 : heads;
    model.block = fields.flag_or("parallel_attn", true) ? Block::parallel : Block::sequential;
  }
  if (heads % model.attention.kv_heads != 0) {
    fields.refuse("num_kv_heads",
                  fmt::format("num_kv_heads {} does not divide the {} attention heads",
                              model.attention.kv_heads,
                              heads));
  }
  return model;
}

// MptConfig: ALiBi unless attn_config says otherwise, no bias anywhere unless no_bias is off.
ModelShape read_mpt(const ConfigFields& fields) {
  ModelShape model = gpt_shape(fields, {"n_layers", "d_model", "n_heads"});
  const ConfigFields attention = fields.inside("attn_config");
  static const std::array<std::string, 1> known{"multihead_attention"};
  require_word(
      attention, "attn_type", attention.word_or("attn_type", "multihead_attention"), known);
  require_flag(attention, "qk_ln", false);
  const bool biases = !fields.flag_or("no_bias", true);
  set_biases(model, biases);
  model.norm_bias = biases;
  model.ffn_hidden = fields.size_or("expansion_ratio", 4) * model.hidden;
  model.max_positions = fields.size_or("max_seq_len", 2048);
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", true);
  if (attention.flag_or("alibi", true)) {
    model.position = Position::alibi;
  } else {
    model.position = fields.flag_or("learned_pos_emb", true) ? Position::learned : Position::none;
  }
  return model;
}

// PhiConfig: one norm for both halves, biases everywhere, also of the head.
ModelShape read_phi(const ConfigFields& fields) {
  ModelShape model = gpt_shape(fields, {});
  set_biases(model, true);
  model.head_bias = true;
  model.block = Block::parallel;
  model.ffn_hidden = fields.size("intermediate_size");
  model.max_positions = fields.size_or("max_position_embeddings", 2048);
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", false);
  model.activation = plain_activation(fields, "hidden_act", "gelu_new");
  read_heads(fields, {}, model);
  read_rotary_part(fields, "partial_rotary_factor", 0.5, model);
  require_flag(fields, "qk_layernorm", false);
  return model;
}

}  // namespace forerun
