// Families with a mixture of experts whose mixer is attention.
#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "jobs/families.hpp"
#include "jobs/family_reading.hpp"

namespace forerun {

namespace {

// Qwen: experts in every decoder_sparse_step-th layer that mlp_only_layers does not name.
void read_sparse_layers(const ConfigFields& fields, ModelShape& model) {
  const std::int64_t step = fields.size_or("decoder_sparse_step", 1);
  const auto dense = fields.whole_numbers("mlp_only_layers");
  if (step == 1 && dense.empty()) {
    return;
  }
  list_kinds(model);
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    if ((layer + 1) % step != 0 || std::ranges::find(dense, layer) != dense.end()) {
      model.kinds[static_cast<std::size_t>(layer)].ffn = FeedForward::dense;
    }
  }
}

void read_window_where_used(const ConfigFields& fields, ModelShape& model) {
  if (fields.flag_or("use_sliding_window", false)) {
    model.attention.window = fields.nullable_size("sliding_window", 4096);
  }
}

struct DeepseekDefaults {
  std::int64_t positions;
  std::int64_t experts;
  std::int64_t shared_experts;
  std::optional<std::int64_t> top_k;  // none: the field is required
  std::int64_t expert_hidden;
  std::int64_t dense_layers;
  std::string_view top_k_method;
};

// DeepseekV2Config.
constexpr DeepseekDefaults deepseek_v2_defaults{2048, 64, 2, std::nullopt, 1407, 0, "greedy"};
// DeepseekV3Config.
constexpr DeepseekDefaults deepseek_v3_defaults{4096, 256, 1, 8, 2048, 3, "noaux_tc"};

void require_dense_layers(const ConfigFields& fields,
                          const MixtureOfExperts& moe,
                          std::int64_t layers) {
  if (moe.dense_layers > layers) {
    fields.refuse(
        "first_k_dense_replace",
        fmt::format(
            "first_k_dense_replace {} is more than the {} layers", moe.dense_layers, layers));
  }
}

std::optional<MixtureOfExperts> deepseek_experts(const ConfigFields& fields,
                                                 std::int64_t layers,
                                                 const DeepseekDefaults& defaults) {
  const auto experts = fields.nullable_size("n_routed_experts", defaults.experts);
  if (!experts) {
    return std::nullopt;
  }
  if (fields.size_or("moe_layer_freq", 1) != 1) {
    fields.refuse("moe_layer_freq", "only moe_layer_freq 1 is modelled: experts in every layer");
  }
  MixtureOfExperts moe;
  moe.experts = *experts;
  moe.top_k = defaults.top_k ? fields.size_or("num_experts_per_tok", *defaults.top_k)
                             : fields.size("num_experts_per_tok");
  moe.expert_hidden = fields.size_or("moe_intermediate_size", defaults.expert_hidden);
  const auto shared = fields.nullable_size("n_shared_experts", defaults.shared_experts);
  moe.shared_hidden = shared.value_or(0) * moe.expert_hidden;
  moe.dense_layers = fields.count_or("first_k_dense_replace", defaults.dense_layers);
  require_dense_layers(fields, moe, layers);
  const std::string method = fields.word_or("topk_method", std::string(defaults.top_k_method));
  moe.router_bias = method == "noaux_tc";
  require_top_k(fields, moe);
  return moe;
}

ModelShape read_deepseek(const ConfigFields& fields, const DeepseekDefaults& defaults) {
  ModelShape model = decoder_shape(fields, defaults.positions);
  LatentAttention latent;
  latent.query_rank = fields.nullable_size("q_lora_rank", 1536);
  latent.kv_rank = fields.size_or("kv_lora_rank", 512);
  latent.nope_head_size = fields.size_or("qk_nope_head_dim", 128);
  latent.rope_head_size = fields.size_or("qk_rope_head_dim", 64);
  latent.value_head_size = fields.size_or("v_head_dim", 128);
  model.latent = latent;
  model.attention.kv_heads = model.attention.heads;
  model.attention.head_size = latent.nope_head_size + latent.rope_head_size;
  read_attention_bias(fields, model);
  model.moe = deepseek_experts(fields, model.layers, defaults);
  model.mtp_modules = fields.count_or("num_nextn_predict_layers", 0);
  return model;
}

// moe_layers where it is given, an empty list too; else every interleave_moe_layer_step-th layer.
bool has_experts(const ConfigFields& fields, std::int64_t layer) {
  if (fields.is_given("moe_layers")) {
    const auto listed = fields.whole_numbers("moe_layers");
    return std::ranges::find(listed, layer) != listed.end();
  }
  return (layer + 1) % fields.size_or("interleave_moe_layer_step", 1) == 0;
}

// Llama 4: rope and attention in chunks, but for every no_rope_layer_interval-th layer;
// no_rope_layers lists 1 for a layer with rope.
void read_llama4_positions(const ConfigFields& fields, ModelShape& model) {
  const std::int64_t interval = fields.size_or("no_rope_layer_interval", 4);
  const auto rope = fields.whole_numbers("no_rope_layers");
  if (!rope.empty() && std::ssize(rope) != model.layers) {
    fields.refuse(
        "no_rope_layers",
        fmt::format("no_rope_layers has {} entries for {} layers", rope.size(), model.layers));
  }
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    const auto i = static_cast<std::size_t>(layer);
    model.kinds[i].rope = rope.empty() ? (layer + 1) % interval != 0 : rope[i] != 0;
    model.kinds[i].windowed = model.attention.window && model.kinds[i].rope;
  }
}

}  // namespace

// MixtralConfig: intermediate_size is the width of one expert; every layer has experts.
ModelShape read_mixtral(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 131072);
  read_heads(fields, {8, std::nullopt}, model);
  model.attention.window = fields.nullable_size("sliding_window", std::nullopt);
  model.moe = local_experts(fields, model, 8, 2);
  return model;
}

// GraniteMoeConfig; its multipliers of embedding, residual, scores and logits cost nothing that
// counts.
ModelShape read_granitemoe(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 2048);
  read_heads(fields, {}, model);
  read_attention_bias(fields, model);
  model.moe = local_experts(fields, model, 8, 2);
  return model;
}

// Qwen2MoeConfig: biases as Qwen2; a shared expert with a gate.
ModelShape read_qwen2_moe(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 32768);
  read_heads(fields, {16, std::nullopt}, model);
  model.attention.qkv_bias = fields.flag_or("qkv_bias", true);
  read_window_where_used(fields, model);
  MixtureOfExperts moe;
  moe.experts = fields.size_or("num_experts", 60);
  moe.top_k = fields.size_or("num_experts_per_tok", 4);
  moe.expert_hidden = fields.size_or("moe_intermediate_size", 1408);
  moe.shared_hidden = fields.size_or("shared_expert_intermediate_size", 5632);
  moe.shared_gate = true;
  require_top_k(fields, moe);
  model.moe = moe;
  read_sparse_layers(fields, model);
  return model;
}

// Qwen3MoeConfig: as qwen3, but head_dim has no default.
ModelShape read_qwen3_moe(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 32768);
  read_heads(fields, {4, std::nullopt}, model);
  model.attention.qk_norm = true;
  read_attention_bias(fields, model);
  read_window_where_used(fields, model);
  MixtureOfExperts moe;
  moe.experts = fields.size_or("num_experts", fields.size_or("num_local_experts", 128));
  moe.top_k = fields.size_or("num_experts_per_tok", 8);
  moe.expert_hidden = fields.size_or("moe_intermediate_size", 768);
  require_top_k(fields, moe);
  model.moe = moe;
  read_sparse_layers(fields, model);
  return model;
}

ModelShape read_deepseek_v2(const ConfigFields& fields) {
  return read_deepseek(fields, deepseek_v2_defaults);
}

ModelShape read_deepseek_v3(const ConfigFields& fields) {
  return read_deepseek(fields, deepseek_v3_defaults);
}

// Glm4MoeConfig: biases on queries, keys and values only; DeepSeek-V3's router.
ModelShape read_glm4_moe(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 131072);
  read_heads(fields, {8, std::nullopt}, model);
  read_rotary_part(fields, "partial_rotary_factor", 0.5, model);
  model.attention.qkv_bias = fields.flag_or("attention_bias", false);
  model.attention.qk_norm = fields.flag_or("use_qk_norm", false);
  MixtureOfExperts moe;
  moe.experts = fields.size_or("n_routed_experts", 128);
  moe.top_k = fields.size_or("num_experts_per_tok", 8);
  moe.expert_hidden = fields.size_or("moe_intermediate_size", 1408);
  moe.shared_hidden = fields.count_or("n_shared_experts", 1) * moe.expert_hidden;
  moe.dense_layers = fields.count_or("first_k_dense_replace", 1);
  moe.router_bias = true;
  require_dense_layers(fields, moe, model.layers);
  require_top_k(fields, moe);
  model.moe = moe;
  model.mtp_modules = fields.count_or("num_nextn_predict_layers", 0);
  return model;
}

// GptOssConfig: biases on all matrices, experts and router too; sinks; a window in every other
// layer from the first.
ModelShape read_gpt_oss(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 131072);
  read_heads(fields, {8, 64}, model);
  read_attention_bias(fields, model, true);
  model.attention.sinks = true;
  MixtureOfExperts moe = local_experts(fields, model, 128, 4);
  moe.router_bias = moe.expert_bias = true;
  model.moe = moe;
  model.attention.window = fields.nullable_size("sliding_window", 128);
  list_kinds(model);
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    model.kinds[static_cast<std::size_t>(layer)].windowed =
        model.attention.window && layer % 2 == 0;
  }
  read_layer_types(fields, model);
  return model;
}

// Llama4TextConfig: one shared expert as wide as a routed one; dense layers are wider. The norm of
// queries and keys has no weights and is not counted.
ModelShape read_llama4_text(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 131072);
  read_heads(fields, {8, 128}, model);
  read_attention_bias(fields, model);
  MixtureOfExperts moe = local_experts(fields, model, 16, 1);
  moe.shared_hidden = moe.expert_hidden;
  model.moe = moe;
  model.ffn_hidden = fields.size_or("intermediate_size_mlp", 16384);
  model.attention.window = fields.nullable_size("attention_chunk_size", 8192);
  model.attention.chunked = model.attention.window.has_value();
  list_kinds(model);
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    model.kinds[static_cast<std::size_t>(layer)].ffn =
        has_experts(fields, layer) ? FeedForward::experts : FeedForward::dense;
  }
  read_llama4_positions(fields, model);
  read_layer_types(fields, model);
  return model;
}

// Llama4Config: the text model beside a vision tower, which is not read.
ModelShape read_llama4(const ConfigFields& fields) {
  return read_llama4_text(fields.inside("text_config"));
}

}  // namespace forerun
