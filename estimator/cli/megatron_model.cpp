// The model that Megatron-Core's arguments describe (arguments.py and transformer_config.py).
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "estimator/cli/foreign_job.hpp"
#include "jobs/model_family.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"

namespace forerun {
namespace {

Activation activation_of(ForeignSettings& settings) {
  if (settings.is_on("swiglu")) {
    return Activation::swiglu;
  }
  if (settings.is_on("squared-relu")) {
    return Activation::relu_squared;
  }
  return settings.is_on("quick-geglu") ? Activation::geglu : Activation::gelu;
}

Position position_of(ForeignSettings& settings) {
  const std::string kind = settings.word("position-embedding-type").value_or("learned_absolute");
  if (settings.is_on("use-rotary-position-embeddings") || kind == "rope" || kind == "yarn") {
    return Position::rope;
  }
  if (kind == "learned_absolute") {
    return Position::learned;
  }
  if (kind == "none") {
    return Position::none;
  }
  throw InputError(settings.where("position-embedding-type"),
                   fmt::format("'{}' is not modelled (expected learned_absolute, rope, yarn or "
                               "none)",
                               kind));
}

AttentionShape attention_of(ForeignSettings& settings, const ModelShape& model) {
  AttentionShape attention;
  attention.heads = settings.needed("num-attention-heads", "the number of attention heads");
  const auto groups = settings.whole("num-query-groups");
  attention.kv_heads =
      settings.is_on("group-query-attention") && groups ? *groups : attention.heads;
  if (const auto size = settings.whole("kv-channels")) {
    attention.head_size = *size;
  } else if (model.hidden % attention.heads != 0) {
    throw InputError(
        settings.where("num-attention-heads"),
        fmt::format("{} heads do not divide the hidden size {}", attention.heads, model.hidden));
  } else {
    attention.head_size = model.hidden / attention.heads;
  }
  const bool has_bias = !settings.is_on("disable-bias-linear");
  attention.qkv_bias = settings.is_on("add-qkv-bias") || has_bias;
  attention.output_bias = has_bias;
  attention.qk_norm = settings.is_on("qk-layernorm");
  const double part = settings.number("rotary-percent").value_or(1.0);
  attention.rotary_size =
      part < 1.0 ? std::llround(part * static_cast<double>(attention.head_size)) : 0;
  return attention;
}

void add_latent(ForeignSettings& settings, ModelShape& model) {
  if (!settings.is_on("multi-latent-attention")) {
    return;
  }
  LatentAttention latent;
  latent.query_rank = settings.whole("q-lora-rank");
  latent.kv_rank = settings.whole("kv-lora-rank").value_or(32);
  latent.nope_head_size = settings.whole("qk-head-dim").value_or(128);
  latent.rope_head_size = settings.whole("qk-pos-emb-head-dim").value_or(64);
  latent.value_head_size = settings.whole("v-head-dim").value_or(128);
  model.attention.head_size = latent.nope_head_size + latent.rope_head_size;
  model.attention.kv_heads = model.attention.heads;
  model.attention.qk_norm = false;  // the norms of the compressed vectors are part of the scheme
  model.latent = latent;
}

// "0,1,1"; nothing where something else stands there.
std::optional<std::vector<bool>> flags_of(std::string_view text) {
  std::vector<bool> flags;
  for (const char c : text) {
    if (c == '0' || c == '1') {
      flags.push_back(c == '1');
    } else if (c != ',' && c != ' ') {
      return std::nullopt;
    }
  }
  return flags;
}

// Of "*58...": 58; 1 without a star.
std::optional<std::int64_t> times_of(std::string_view text) {
  if (!text.starts_with("*")) {
    return 1;
  }
  const std::string_view rest = text.substr(1);
  const auto count = parse_whole(rest.substr(0, rest.find_first_not_of("0123456789")), 1);
  return count && *count <= most_layers ? count : std::nullopt;
}

// "([0]*3+[1]*58)": which layers have experts.
std::vector<bool> pattern_of(std::string_view text, const std::string& where) {
  std::vector<bool> layers;
  for (std::size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at + 1)) {
    const std::size_t close = text.find(']', at);
    const bool is_closed = close != std::string_view::npos;
    const auto group = is_closed ? flags_of(text.substr(at + 1, close - at - 1)) : std::nullopt;
    const auto times = is_closed ? times_of(text.substr(close + 1)) : std::nullopt;
    if (!group || !times) {
      throw InputError(where,
                       fmt::format("'{}' is not understood (expected a number, or a list like "
                                   "([0]*3+[1]*58))",
                                   text));
    }
    if (std::ssize(*group) > (most_layers - std::ssize(layers)) / *times) {
      throw InputError(where, fmt::format("names more than {} layers", most_layers));
    }
    for (std::int64_t i = 0; i < *times; ++i) {
      layers.insert(layers.end(), group->begin(), group->end());
    }
  }
  return layers;
}

void place_experts(ForeignSettings& settings, MixtureOfExperts& moe, ModelShape& model) {
  const auto frequency = settings.word("moe-layer-freq");
  if (!frequency) {
    return;
  }
  std::vector<bool> has_experts;
  if (const auto every = parse_whole(*frequency, 1)) {
    for (std::int64_t layer = 0; layer < model.layers; ++layer) {
      has_experts.push_back(layer % *every == 0);
    }
  } else {
    has_experts = pattern_of(*frequency, settings.where("moe-layer-freq"));
  }
  if (std::ssize(has_experts) != model.layers) {
    throw InputError(
        settings.where("moe-layer-freq"),
        fmt::format("names {} layers, the model has {}", has_experts.size(), model.layers));
  }
  const auto first = std::ranges::find(has_experts, true);
  if (std::all_of(first, has_experts.end(), [](bool has) { return has; })) {
    moe.dense_layers = first - has_experts.begin();
    return;
  }
  for (const bool has : has_experts) {
    LayerKind kind;
    kind.ffn = has ? FeedForward::experts : FeedForward::dense;
    model.kinds.push_back(kind);
  }
}

void add_experts(ForeignSettings& settings, ModelShape& model) {
  const auto experts = settings.whole("num-experts");
  if (!experts) {
    return;
  }
  MixtureOfExperts moe;
  moe.experts = *experts;
  moe.top_k = settings.whole("moe-router-topk").value_or(2);
  moe.expert_hidden = settings.whole("moe-ffn-hidden-size").value_or(model.ffn_hidden);
  moe.shared_hidden = settings.whole("moe-shared-expert-intermediate-size").value_or(0);
  moe.router_bias = settings.is_on("moe-router-enable-expert-bias");
  moe.shared_gate = settings.is_on("moe-shared-expert-gate");
  place_experts(settings, moe, model);
  model.moe = moe;
}

// Lists are made of one entry a layer.
std::int64_t layers_of(ForeignSettings& settings) {
  const std::int64_t layers = settings.needed("num-layers", "the number of layers, or --model");
  if (layers > most_layers) {
    throw InputError(
        settings.where("num-layers"),
        fmt::format("{} layers are too many (expected at most {})", layers, most_layers));
  }
  return layers;
}

// Tokenizers whose size is their definition: GPT-2's byte-pair encoding has 50,257 tokens. 0: not
// stated.
std::int64_t vocabulary_of(ForeignSettings& settings) {
  if (const auto size = settings.whole("vocab-size")) {
    return *size;
  }
  if (const auto size = settings.whole("padded-vocab-size")) {
    return *size;
  }
  if (settings.word("tokenizer-type") == "GPT2BPETokenizer") {
    return 50257;
  }
  return 0;
}

// Megatron-LM's arguments.py: two thirds of 4 * hidden, in 64s, for SwiGLU.
std::int64_t default_ffn(const ModelShape& model) {
  return model.activation == Activation::swiglu ? 4 * model.hidden * 2 / 3 / 64 * 64
                                                : 4 * model.hidden;
}

}  // namespace

ModelShape megatron_model(ForeignSettings& settings, std::vector<std::string>& notes) {
  ModelShape model;
  model.name = settings.file();
  model.family = "megatron";
  model.source = settings.file();
  model.layers = layers_of(settings);
  model.hidden = settings.needed("hidden-size", "the hidden size");
  model.activation = activation_of(settings);
  model.ffn_hidden = settings.whole("ffn-hidden-size").value_or(default_ffn(model));
  model.attention = attention_of(settings, model);
  model.norm = settings.word("normalization").value_or("LayerNorm") == "RMSNorm" ? Norm::rms_norm
                                                                                 : Norm::layer_norm;
  model.position = position_of(settings);
  model.max_positions =
      settings.whole("max-position-embeddings").value_or(settings.whole("seq-length").value_or(0));
  model.mlp_bias = !settings.is_on("disable-bias-linear");
  model.tied_embeddings = !settings.is_on("untie-embeddings-and-output-weights");
  model.vocabulary = vocabulary_of(settings);
  model.mtp_modules = settings.whole("mtp-num-layers", 0).value_or(0);
  add_latent(settings, model);
  add_experts(settings, model);
  if (const auto reason = model.vocabulary > 0 ? uncountable_because(model) : std::nullopt) {
    throw InputError(settings.file(), *reason);
  }
  if (settings.is_on("apply-residual-connection-post-layernorm")) {
    notes.emplace_back("apply-residual-connection-post-layernorm is priced as a norm before");
  }
  return model;
}

namespace {

// The modules that are modelled, joined; nothing where none of them is.
std::optional<std::string> selective_modules(const std::vector<std::string>& modules,
                                             std::vector<std::string>& notes) {
  std::string text;
  for (const std::string& module : modules) {
    const bool is_known =
        module == "core_attn" || module == "layernorm" || module == "mlp" || module == "moe_act";
    if (is_known) {
      text += (text.empty() ? "" : "+") + module;
    } else {
      notes.push_back("recompute-modules " + module + " is not modelled: its activations are kept");
    }
  }
  return text.empty() ? std::nullopt : std::optional(text);
}

}  // namespace

std::optional<std::string> megatron_recompute(ForeignSettings& settings,
                                              std::vector<std::string>& notes) {
  const auto granularity = settings.is_on("recompute-activations")
                               ? std::optional<std::string>("selective")
                               : settings.word("recompute-granularity");
  const auto method = settings.word("recompute-method");
  const auto layers = settings.whole("recompute-num-layers");
  const auto modules = settings.words("recompute-modules");
  if (!granularity) {
    return std::nullopt;
  }
  if (*granularity == "full") {
    if (method == "block") {
      return fmt::format("block:{}", layers.value_or(1));
    }
    if (layers.value_or(1) > 1) {
      notes.push_back(fmt::format(
          "recompute-num-layers {} with uniform is taken as 1: every layer's input is kept",
          *layers));
    }
    return "full";
  }
  if (*granularity != "selective") {
    throw InputError(settings.where("recompute-granularity"),
                     fmt::format("'{}' is unknown (expected full or selective)", *granularity));
  }
  return modules.empty() ? std::optional<std::string>("selective")
                         : selective_modules(modules, notes);
}

}  // namespace forerun
