// The fields, defaults and limits of each family of config.json.
#include "jobs/model_family.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "units/input_error.hpp"

namespace forerun {
namespace {

void require_activation(const ConfigFields& fields,
                        const std::string& key,
                        const std::string& fallback,
                        std::span<const std::string> known) {
  const std::string name = fields.word_or(key, fallback);
  if (std::ranges::find(known, name) == known.end()) {
    fields.refuse(key,
                  fmt::format("{} '{}' is not known; expected {}; the nearest is '{}'",
                              key,
                              name,
                              listed(known),
                              nearest(name, known)));
  }
}

void require_gated_activation(const ConfigFields& fields) {
  const std::array<std::string, 5> known{"silu", "swish", "gelu", "gelu_new", "gelu_pytorch_tanh"};
  require_activation(fields, "hidden_act", "silu", known);
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

// What every family but gpt2 spells alike. tie_word_embeddings defaults to false in LlamaConfig,
// MistralConfig, MixtralConfig, Qwen2Config, Qwen3Config, Qwen3MoeConfig and DeepseekV2/V3Config.
ModelShape common_shape(const ConfigFields& fields, std::int64_t default_positions) {
  ModelShape model;
  model.layers = fields.size("num_hidden_layers");
  model.hidden = fields.size("hidden_size");
  model.ffn_hidden = fields.size("intermediate_size");
  model.vocabulary = fields.size("vocab_size");
  model.attention.heads = fields.size("num_attention_heads");
  model.max_positions = fields.size_or("max_position_embeddings", default_positions);
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", false);
  require_gated_activation(fields);
  return model;
}

struct HeadDefaults {
  std::optional<std::int64_t> kv_heads;   // none: as many as query heads
  std::optional<std::int64_t> head_size;  // none: hidden size over heads
};

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

// Qwen applies the window only to the layers from max_window_layers on.
std::optional<std::int64_t> qwen_window(const ConfigFields& fields,
                                        std::int64_t layers,
                                        std::int64_t default_full_layers) {
  if (!fields.flag_or("use_sliding_window", false)) {
    return std::nullopt;
  }
  const auto window = fields.nullable_size("sliding_window", 4096);
  const std::int64_t full_layers = fields.count_or("max_window_layers", default_full_layers);
  if (!window || full_layers >= layers) {
    return std::nullopt;
  }
  if (full_layers > 0) {
    fields.refuse("max_window_layers",
                  fmt::format("max_window_layers {} gives a window to some of the {} layers only, "
                              "which is not modelled; expected 0 or at least {}",
                              full_layers,
                              layers,
                              layers));
  }
  return window;
}

void require_top_k(const ConfigFields& fields, const MixtureOfExperts& moe) {
  if (moe.top_k > moe.experts) {
    fields.refuse(
        "num_experts_per_tok",
        fmt::format("num_experts_per_tok {} is more than the {} experts", moe.top_k, moe.experts));
  }
}

// LlamaConfig: heads of their own size (head_dim), biases off.
ModelShape read_llama(const ConfigFields& fields) {
  ModelShape model = common_shape(fields, 2048);
  read_heads(fields, {}, model);
  model.attention.qkv_bias = model.attention.output_bias = fields.flag_or("attention_bias", false);
  model.mlp_bias = fields.flag_or("mlp_bias", false);
  return model;
}

// MistralConfig: 8 key-value heads; a window of 4096 unless it is null.
ModelShape read_mistral(const ConfigFields& fields) {
  ModelShape model = common_shape(fields, 131072);
  read_heads(fields, {8, std::nullopt}, model);
  model.attention.window = fields.nullable_size("sliding_window", 4096);
  return model;
}

// MixtralConfig: intermediate_size is the width of one expert; every layer has experts.
ModelShape read_mixtral(const ConfigFields& fields) {
  ModelShape model = common_shape(fields, 131072);
  read_heads(fields, {8, std::nullopt}, model);
  model.attention.window = fields.nullable_size("sliding_window", std::nullopt);
  MixtureOfExperts moe;
  moe.experts = fields.size_or("num_local_experts", 8);
  moe.top_k = fields.size_or("num_experts_per_tok", 2);
  moe.expert_hidden = model.ffn_hidden;
  require_top_k(fields, moe);
  model.moe = moe;
  return model;
}

// Qwen2Config: biases on queries, keys and values, none on the output.
ModelShape read_qwen2(const ConfigFields& fields) {
  ModelShape model = common_shape(fields, 32768);
  read_heads(fields, {32, std::nullopt}, model);
  model.attention.qkv_bias = true;
  model.attention.window = qwen_window(fields, model.layers, 28);
  return model;
}

// Qwen3Config: head_dim 128 whatever the hidden size; an RMSNorm on queries and keys.
ModelShape read_qwen3(const ConfigFields& fields) {
  ModelShape model = common_shape(fields, 32768);
  read_heads(fields, {32, 128}, model);
  model.attention.qk_norm = true;
  model.attention.qkv_bias = model.attention.output_bias = fields.flag_or("attention_bias", false);
  model.attention.window = qwen_window(fields, model.layers, 28);
  return model;
}

// Qwen3MoeConfig: as qwen3, but head_dim has no default and every layer has experts.
ModelShape read_qwen3_moe(const ConfigFields& fields) {
  ModelShape model = common_shape(fields, 32768);
  read_heads(fields, {4, std::nullopt}, model);
  model.attention.qk_norm = true;
  model.attention.qkv_bias = model.attention.output_bias = fields.flag_or("attention_bias", false);
  model.attention.window = qwen_window(fields, model.layers, 0);
  if (fields.size_or("decoder_sparse_step", 1) != 1) {
    fields.refuse("decoder_sparse_step",
                  "only decoder_sparse_step 1 is modelled: experts in every layer");
  }
  if (fields.is_filled("mlp_only_layers")) {
    fields.refuse("mlp_only_layers", "only an empty mlp_only_layers is modelled");
  }
  MixtureOfExperts moe;
  moe.experts = fields.size_or("num_experts", fields.size_or("num_local_experts", 128));
  moe.top_k = fields.size_or("num_experts_per_tok", 8);
  moe.expert_hidden = fields.size_or("moe_intermediate_size", 768);
  require_top_k(fields, moe);
  model.moe = moe;
  return model;
}

// GPT2Config: biases everywhere, LayerNorm, learned positions, an FFN of four times the width;
// tie_word_embeddings is PretrainedConfig's true.
ModelShape read_gpt2(const ConfigFields& fields) {
  ModelShape model;
  model.layers = fields.size("n_layer");
  model.hidden = fields.size("n_embd");
  model.vocabulary = fields.size("vocab_size");
  model.attention.heads = model.attention.kv_heads = fields.size("n_head");
  model.attention.head_size = hidden_over_heads(fields, model, "n_head");
  model.attention.qkv_bias = model.attention.output_bias = model.mlp_bias = true;
  model.ffn_hidden = fields.size_or("n_inner", 4 * model.hidden);
  model.max_positions = fields.size_or("n_positions", 1024);
  model.norm = Norm::layer_norm;
  model.activation = Activation::gelu;
  model.position = Position::learned;
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", true);
  const std::array<std::string, 4> known{"gelu_new", "gelu", "gelu_fast", "gelu_pytorch_tanh"};
  require_activation(fields, "activation_function", "gelu_new", known);
  return model;
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
  if (moe.dense_layers > layers) {
    fields.refuse(
        "first_k_dense_replace",
        fmt::format(
            "first_k_dense_replace {} is more than the {} layers", moe.dense_layers, layers));
  }
  const std::string method = fields.word_or("topk_method", std::string(defaults.top_k_method));
  moe.router_bias = method == "noaux_tc";
  require_top_k(fields, moe);
  return moe;
}

ModelShape read_deepseek(const ConfigFields& fields, const DeepseekDefaults& defaults) {
  ModelShape model = common_shape(fields, defaults.positions);
  LatentAttention latent;
  latent.query_rank = fields.nullable_size("q_lora_rank", 1536);
  latent.kv_rank = fields.size_or("kv_lora_rank", 512);
  latent.nope_head_size = fields.size_or("qk_nope_head_dim", 128);
  latent.rope_head_size = fields.size_or("qk_rope_head_dim", 64);
  latent.value_head_size = fields.size_or("v_head_dim", 128);
  model.latent = latent;
  model.attention.kv_heads = model.attention.heads;
  model.attention.head_size = latent.nope_head_size + latent.rope_head_size;
  model.attention.qkv_bias = model.attention.output_bias = fields.flag_or("attention_bias", false);
  model.moe = deepseek_experts(fields, model.layers, defaults);
  model.mtp_modules = fields.count_or("num_nextn_predict_layers", 0);
  return model;
}

ModelShape read_deepseek_v2(const ConfigFields& fields) {
  return read_deepseek(fields, deepseek_v2_defaults);
}

ModelShape read_deepseek_v3(const ConfigFields& fields) {
  return read_deepseek(fields, deepseek_v3_defaults);
}

struct Family {
  std::string_view model_type;
  ModelShape (*read)(const ConfigFields&);
};

constexpr auto families = std::to_array<Family>({
    {"deepseek_v2", read_deepseek_v2},
    {"deepseek_v3", read_deepseek_v3},
    {"gpt2", read_gpt2},
    {"llama", read_llama},
    {"mistral", read_mistral},
    {"mixtral", read_mixtral},
    {"qwen2", read_qwen2},
    {"qwen3", read_qwen3},
    {"qwen3_moe", read_qwen3_moe},
});

// Counts are kept in 64-bit integers: refuses sizes that are each possible but not together.
void require_countable(const ConfigFields& fields, const ModelShape& model) {
  constexpr double most_parameters = 1e17;
  const auto real = [](std::int64_t n) { return static_cast<double>(n); };
  const AttentionShape& attention = model.attention;
  double width = real(model.ffn_hidden) + real(attention.heads) * real(attention.head_size);
  if (model.moe) {
    width += real(model.moe->experts) * real(model.moe->expert_hidden + 1);
    width += real(model.moe->shared_hidden);
  }
  if (model.latent) {
    const LatentAttention& latent = *model.latent;
    width += real(latent.query_rank.value_or(0)) + real(latent.kv_rank);
    width += real(attention.heads) * real(latent.value_head_size);
    width +=
        width * (real(latent.query_rank.value_or(0)) + real(latent.kv_rank)) / real(model.hidden);
  }
  const double tables = real(model.vocabulary) + real(model.max_positions);
  if (real(model.hidden) * (real(model.layers) * width + tables) > most_parameters) {
    fields.refuse("model_type", "the sizes together give more than 1e17 parameters");
  }
}

}  // namespace

std::vector<std::string> model_families() {
  std::vector<std::string> names;
  names.reserve(families.size());
  for (const Family& family : families) {
    names.emplace_back(family.model_type);
  }
  return names;
}

ModelShape shape_from(const ConfigFields& fields) {
  const std::string model_type = fields.word("model_type");
  const auto* const family = std::ranges::find(families, model_type, &Family::model_type);
  if (family == families.end()) {
    const std::vector<std::string> known = model_families();
    fields.refuse("model_type",
                  fmt::format("model_type '{}' is not known; expected {}; the "
                              "nearest is '{}'",
                              model_type,
                              listed(known),
                              nearest(model_type, known)));
  }
  ModelShape model = family->read(fields);
  model.family = model_type;
  require_countable(fields, model);
  return model;
}

}  // namespace forerun
