// Model shapes from the cells of a row.
#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "estimator/validate/row_job.hpp"
#include "jobs/read_model.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

/// What a family of models has in common, whatever its sizes.
struct Family {
  std::string_view name;
  Norm norm;
  Activation activation;
  Position position;
  bool biases;  ///< of every linear layer
  bool tied;
  bool qk_norm = false;
  bool latent = false;
};

// gpt: Megatron-LM's GPTModel with its defaults (LayerNorm, GELU, learned positions, biases, the
// head tied to the embedding). bloom: the same with ALiBi. mpt: LayerNorm, GELU, no biases, ALiBi,
// tied (llm-foundry's MPTConfig). llama, qwen2, qwen3, mixtral, deepseek: Hugging Face's
// configurations of those names. nemotron: LayerNorm, squared ReLU, RoPE, no biases, untied
// (NeMo's Nemotron configuration). grok: RMSNorm, gated experts, RoPE, tied (xai-org/grok-1).
// gpt-oss: RMSNorm, gated experts, RoPE, untied. ALiBi adds a bias inside attention and no
// parameters: it is counted as rotary positions are, whose cost is next to nothing too.
constexpr auto families = std::to_array<Family>({
    {"gpt", Norm::layer_norm, Activation::gelu, Position::learned, true, true},
    {"bloom", Norm::layer_norm, Activation::gelu, Position::rope, true, true},
    {"mpt", Norm::layer_norm, Activation::gelu, Position::rope, false, true},
    {"nemotron", Norm::layer_norm, Activation::relu_squared, Position::rope, false, false},
    {"llama", Norm::rms_norm, Activation::swiglu, Position::rope, false, false},
    {"qwen3", Norm::rms_norm, Activation::swiglu, Position::rope, false, false, true},
    {"mixtral", Norm::rms_norm, Activation::swiglu, Position::rope, false, false},
    {"grok", Norm::rms_norm, Activation::swiglu, Position::rope, false, true},
    {"gpt-oss", Norm::rms_norm, Activation::swiglu, Position::rope, false, false},
    {"deepseek", Norm::rms_norm, Activation::swiglu, Position::rope, false, false, false, true},
});

std::int64_t needed(const Cells& cells, const std::string& column) {
  const auto value = count_in(cells, column);
  if (!value) {
    throw InputError(column, "is not published and no rule fills it");
  }
  return *value;
}

const Family& family_of(const Cells& cells) {
  const std::string name = text_in(cells, "family");
  const auto* const found = std::ranges::find(families, name, &Family::name);
  if (found == families.end()) {
    throw InputError("model",
                     name.empty() ? fmt::format("'{}' belongs to no family that a rule names",
                                                text_in(cells, "model"))
                                  : fmt::format("family '{}' is not known", name));
  }
  return *found;
}

// DeepSeek-V2 and V3 share these (arXiv 2405.04434, 2412.19437).
LatentAttention deepseek_latent() {
  LatentAttention latent;
  latent.query_rank = 1536;
  latent.kv_rank = 512;
  latent.nope_head_size = 128;
  latent.rope_head_size = 64;
  latent.value_head_size = 128;
  return latent;
}

std::optional<MixtureOfExperts> experts_of(const Cells& cells, const ModelShape& model) {
  const auto experts = count_in(cells, "moe_experts");
  if (!experts) {
    return std::nullopt;
  }
  MixtureOfExperts moe;
  moe.experts = *experts;
  moe.top_k = needed(cells, "moe_topk");
  moe.expert_hidden = count_in(cells, "moe_ffn_hidden").value_or(model.ffn_hidden);
  moe.shared_hidden = count_in(cells, "moe_shared", 0).value_or(0) * moe.expert_hidden;
  moe.dense_layers = count_in(cells, "dense_layers", 0).value_or(0);
  return moe;
}

}  // namespace

ModelShape model_of_row(const Cells& cells) {
  if (const std::string known = text_in(cells, "catalog_model"); !known.empty()) {
    ModelShape model = read_model(known);
    model.max_positions = needed(cells, "seq_len");
    return model;
  }
  const Family& family = family_of(cells);
  ModelShape model;
  model.name = text_in(cells, "model");
  model.family = family.name;
  model.layers = needed(cells, "layers");
  model.hidden = needed(cells, "hidden");
  model.ffn_hidden = text_in(cells, "ffn_hidden") == "4h"
                         ? 4 * model.hidden
                         : count_in(cells, "ffn_hidden").value_or(0);
  model.vocabulary = needed(cells, "vocab");
  model.max_positions = needed(cells, "seq_len");
  AttentionShape& attention = model.attention;
  attention.heads = needed(cells, "heads");
  attention.kv_heads = count_in(cells, "kv_heads").value_or(attention.heads);
  attention.head_size = count_in(cells, "head_dim").value_or(model.hidden / attention.heads);
  attention.qkv_bias = attention.output_bias = model.mlp_bias = family.biases;
  attention.qk_norm = family.qk_norm;
  if (const auto window = count_in(cells, "window")) {
    attention.window = window;
  }
  model.norm = family.norm;
  model.activation = family.activation;
  model.position = family.position;
  const std::string tied = text_in(cells, "tied");
  model.tied_embeddings = tied.empty() ? family.tied : tied == "true";
  if (family.latent) {
    model.latent = deepseek_latent();
    attention.kv_heads = attention.heads;
    attention.head_size = model.latent->nope_head_size + model.latent->rope_head_size;
  }
  model.moe = experts_of(cells, model);
  if (!model.moe && model.ffn_hidden == 0) {
    throw InputError("ffn_hidden", "is not published and no rule fills it");
  }
  if (attention.head_size < 1 || attention.heads % attention.kv_heads != 0) {
    throw InputError("heads", "these heads make no attention");
  }
  model.source = "the table";
  return model;
}

}  // namespace forerun
