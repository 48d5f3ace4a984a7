// Families with Mamba or DeltaNet layers, alone or between layers of attention.
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "jobs/families.hpp"
#include "jobs/family_reading.hpp"

namespace forerun {

namespace {

// Mixer layers alone, no FFN, no positions.
ModelShape mamba_shape(const ConfigFields& fields) {
  ModelShape model;
  model.layers = layer_count(fields, "num_hidden_layers");
  model.hidden = fields.size("hidden_size");
  model.vocabulary = fields.size("vocab_size");
  model.position = Position::none;
  return model;
}

void set_kinds(ModelShape& model, LayerKind kind) {
  model.kinds.assign(static_cast<std::size_t>(model.layers), kind);
}

// ceil(hidden / 16), what "auto" means to Mamba-1.
std::int64_t dt_rank(const ConfigFields& fields, const std::string& key, std::int64_t hidden) {
  constexpr std::int64_t share = 16;
  const bool is_auto = !fields.has(key) || fields.is_word(key, "auto");
  return is_auto ? (hidden + share - 1) / share : fields.size(key);
}

LayerKind kind_from(const ConfigFields& fields, char letter) {
  switch (letter) {
    case 'M':
      return {.mixer = Mixer::mamba2, .ffn = FeedForward::none};
    case '*':
      return {.mixer = Mixer::attention, .ffn = FeedForward::none, .rope = false};
    case '-':
      return {.mixer = Mixer::none, .ffn = FeedForward::dense};
    case 'E':
      return {.mixer = Mixer::none, .ffn = FeedForward::experts};
    default:
      break;
  }
  fields.refuse("hybrid_override_pattern",
                fmt::format("hybrid_override_pattern has '{}'; expected M (Mamba-2), * "
                            "(attention), - (FFN) or E (experts) for each layer",
                            letter));
}

// One letter a layer; a layer is one half, not a mixer and an FFN.
void read_pattern(const ConfigFields& fields, ModelShape& model) {
  const std::string pattern = fields.word("hybrid_override_pattern");
  if (std::ssize(pattern) != model.layers) {
    fields.refuse(
        "hybrid_override_pattern",
        fmt::format(
            "hybrid_override_pattern has {} letters for {} layers", pattern.size(), model.layers));
  }
  for (const char letter : pattern) {
    model.kinds.push_back(kind_from(fields, letter));
  }
  if (has_ffn(model, FeedForward::experts)) {
    MixtureOfExperts moe;
    moe.experts = fields.size("n_routed_experts");
    moe.top_k = fields.size("num_experts_per_tok");
    moe.expert_hidden = fields.size("moe_intermediate_size");
    moe.shared_hidden = fields.count_or("n_shared_experts", 1) *
                        fields.size_or("moe_shared_expert_intermediate_size", moe.expert_hidden);
    moe.router_bias = true;
    moe.latent = fields.nullable_size("moe_latent_size", std::nullopt).value_or(0);
    require_top_k(fields, moe);
    model.moe = moe;
  }
}

// Where a period of layers has its one layer of another kind.
struct Period {
  std::int64_t length;
  std::int64_t offset;

  [[nodiscard]] bool has(std::int64_t layer) const { return layer % length == offset; }
};

Period read_period(const ConfigFields& fields, const std::string& name, Period fallback) {
  const Period period{fields.size_or(name + "_period", fallback.length),
                      fields.count_or(name + "_offset", fallback.offset)};
  if (period.offset >= period.length) {
    fields.refuse(
        name + "_offset",
        fmt::format(
            "{}_offset {} is not below {}_period {}", name, period.offset, name, period.length));
  }
  return period;
}

// The Mamba-2 mixer as Bamba and Granite 4 spell it.
StateSpace grouped_mamba2(const ConfigFields& fields, std::int64_t hidden) {
  StateSpace mamba;
  mamba.inner = fields.size_or("mamba_expand", 2) * hidden;
  mamba.heads = fields.size_or("mamba_n_heads", 128);
  mamba.groups = fields.size_or("mamba_n_groups", 1);
  mamba.state = fields.size_or("mamba_d_state", 256);
  mamba.conv_width = fields.size_or("mamba_d_conv", 4);
  mamba.conv_bias = fields.flag_or("mamba_conv_bias", true);
  mamba.projection_bias = fields.flag_or("mamba_proj_bias", false);
  const bool is_auto = !fields.has("mamba_d_head") || fields.is_word("mamba_d_head", "auto");
  const std::int64_t head = is_auto ? mamba.inner / mamba.heads : fields.size("mamba_d_head");
  if (head * mamba.heads != mamba.inner) {
    fields.refuse(
        "mamba_n_heads",
        fmt::format("mamba_n_heads {} times mamba_d_head {} is not mamba_expand times hidden_size, "
                    "{}",
                    mamba.heads,
                    head,
                    mamba.inner));
  }
  return mamba;
}

// "mamba" or "attention" for each layer; Mamba where nothing is said.
std::vector<Mixer> block_types(const ConfigFields& fields, std::int64_t layers) {
  static const std::array<std::string, 2> known{"mamba", "attention"};
  const std::string key = fields.has("layer_types") ? "layer_types" : "layers_block_type";
  std::vector<Mixer> mixers(static_cast<std::size_t>(layers), Mixer::mamba2);
  const auto types = fields.words(key);
  if (types.empty()) {
    return mixers;
  }
  if (std::ssize(types) != layers) {
    fields.refuse(key, fmt::format("{} has {} entries for {} layers", key, types.size(), layers));
  }
  for (std::size_t i = 0; i < types.size(); ++i) {
    require_word(fields, key, types[i], known);
    mixers[i] = types[i] == "attention" ? Mixer::attention : Mixer::mamba2;
  }
  return mixers;
}

}  // namespace

// MambaConfig.
ModelShape read_mamba(const ConfigFields& fields) {
  ModelShape model = mamba_shape(fields);
  StateSpace mamba;
  mamba.inner = fields.size_or("intermediate_size", fields.size_or("expand", 2) * model.hidden);
  mamba.state = fields.size_or("state_size", 16);
  mamba.conv_width = fields.size_or("conv_kernel", 4);
  mamba.dt_rank = dt_rank(fields, "time_step_rank", model.hidden);
  mamba.conv_bias = fields.flag_or("use_conv_bias", true);
  mamba.projection_bias = fields.flag_or("use_bias", false);
  model.state_space = mamba;
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", true);
  set_kinds(model, {.mixer = Mixer::mamba, .ffn = FeedForward::none});
  return model;
}

// Mamba2Config.
ModelShape read_mamba2(const ConfigFields& fields) {
  ModelShape model = mamba_shape(fields);
  StateSpace mamba;
  mamba.inner = fields.size_or("expand", 2) * model.hidden;
  mamba.state = fields.size_or("state_size", 128);
  mamba.conv_width = fields.size_or("conv_kernel", 4);
  mamba.heads = fields.size_or("num_heads", 128);
  mamba.groups = fields.size_or("n_groups", 8);
  mamba.conv_bias = fields.flag_or("use_conv_bias", true);
  mamba.projection_bias = fields.flag_or("use_bias", false);
  const std::int64_t head_size = fields.size_or("head_dim", 64);
  if (mamba.heads * head_size != mamba.inner) {
    fields.refuse("num_heads",
                  fmt::format("num_heads {} times head_dim {} is not expand times hidden_size, {}",
                              mamba.heads,
                              head_size,
                              mamba.inner));
  }
  model.state_space = mamba;
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", false);
  set_kinds(model, {.mixer = Mixer::mamba2, .ffn = FeedForward::none});
  return model;
}

// JambaConfig: Mamba-1 with norms inside, one layer of attention and several of experts a period.
ModelShape read_jamba(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 262144);
  read_heads(fields, {8, std::nullopt}, model);
  model.position = Position::none;
  StateSpace mamba;
  mamba.inner = fields.size_or("mamba_expand", 2) * model.hidden;
  mamba.state = fields.size_or("mamba_d_state", 16);
  mamba.conv_width = fields.size_or("mamba_d_conv", 4);
  mamba.dt_rank = dt_rank(fields, "mamba_dt_rank", model.hidden);
  mamba.conv_bias = fields.flag_or("mamba_conv_bias", true);
  mamba.projection_bias = fields.flag_or("mamba_proj_bias", false);
  mamba.inner_norms = true;
  model.state_space = mamba;
  MixtureOfExperts moe;
  moe.experts = fields.size_or("num_experts", 16);
  moe.top_k = fields.size_or("num_experts_per_tok", 2);
  moe.expert_hidden = model.ffn_hidden;
  require_top_k(fields, moe);
  model.moe = moe;
  const Period attention = read_period(fields, "attn_layer", {8, 4});
  const Period experts = read_period(fields, "expert_layer", {2, 1});
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    const bool is_sparse = moe.experts > 1 && experts.has(layer);
    model.kinds.push_back({.mixer = attention.has(layer) ? Mixer::attention : Mixer::mamba,
                           .ffn = is_sparse ? FeedForward::experts : FeedForward::dense});
  }
  return model;
}

// NemotronHConfig: a letter for each layer says what it is; no positions; squared ReLU.
ModelShape read_nemotron_h(const ConfigFields& fields) {
  ModelShape model = mamba_shape(fields);
  model.ffn_hidden = fields.size("intermediate_size");
  model.attention.heads = fields.size("num_attention_heads");
  model.max_positions = fields.size_or("max_position_embeddings", 4096);
  read_heads(fields, {8, fields.size_or("attention_head_dim", 128)}, model);
  read_attention_bias(fields, model);
  model.activation = plain_activation(fields, "mlp_hidden_act", "relu2");
  model.mlp_bias = fields.flag_or("mlp_bias", false);
  model.tied_embeddings = fields.flag_or("tie_word_embeddings", false);
  StateSpace mamba;
  mamba.heads = fields.size_or("mamba_num_heads", 128);
  mamba.inner = mamba.heads * fields.size_or("mamba_head_dim", 64);
  mamba.state = fields.size_or("ssm_state_size", 128);
  mamba.conv_width = fields.size_or("conv_kernel", 4);
  mamba.groups = fields.size_or("n_groups", 8);
  mamba.conv_bias = fields.flag_or("use_conv_bias", true);
  mamba.projection_bias = fields.flag_or("mamba_proj_bias", false);
  model.state_space = mamba;
  read_pattern(fields, model);
  return model;
}

// Qwen3NextConfig: three layers of gated DeltaNet to one of attention with an output gate; experts
// with a gated shared one in every layer.
ModelShape read_qwen3_next(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 32768);
  read_heads(fields, {2, 256}, model);
  read_attention_bias(fields, model);
  read_rotary_part(fields, "partial_rotary_factor", 0.25, model);
  model.attention.qk_norm = model.attention.output_gate = true;
  DeltaNet delta;
  delta.key_heads = fields.size_or("linear_num_key_heads", 16);
  delta.value_heads = fields.size_or("linear_num_value_heads", 32);
  delta.key_size = fields.size_or("linear_key_head_dim", 128);
  delta.value_size = fields.size_or("linear_value_head_dim", 128);
  delta.conv_width = fields.size_or("linear_conv_kernel_dim", 4);
  model.delta_net = delta;
  MixtureOfExperts moe;
  moe.experts = fields.size_or("num_experts", 512);
  moe.top_k = fields.size_or("num_experts_per_tok", 10);
  moe.expert_hidden = fields.size_or("moe_intermediate_size", 512);
  moe.shared_hidden = fields.size_or("shared_expert_intermediate_size", 512);
  moe.shared_gate = true;
  require_top_k(fields, moe);
  model.moe = moe;
  if (fields.size_or("decoder_sparse_step", 1) != 1 || fields.is_filled("mlp_only_layers")) {
    fields.refuse("mlp_only_layers", "only experts in every layer are modelled");
  }
  const std::int64_t interval = fields.size_or("full_attention_interval", 4);
  list_kinds(model);
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    model.kinds[static_cast<std::size_t>(layer)].mixer =
        (layer + 1) % interval == 0 ? Mixer::attention : Mixer::delta_net;
  }
  read_layer_types(fields, model);
  return model;
}

// BambaConfig: Mamba-2 but for some layers of attention, whose heads are half rotated; a gated FFN
// after every mixer.
ModelShape read_bamba(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 262144);
  read_heads(fields, {8, std::nullopt}, model);
  read_rotary_part(fields, "partial_rotary_factor", 0.5, model);
  model.state_space = grouped_mamba2(fields, model.hidden);
  set_kinds(model, {.mixer = Mixer::mamba2, .ffn = FeedForward::dense});
  for (const std::int64_t layer : fields.whole_numbers("attn_layer_indices")) {
    if (layer < 0 || layer >= model.layers) {
      fields.refuse("attn_layer_indices",
                    fmt::format("attn_layer_indices has {}; expected 0 to {}, one of the {} layers",
                                layer,
                                model.layers - 1,
                                model.layers));
    }
    model.kinds[static_cast<std::size_t>(layer)].mixer = Mixer::attention;
  }
  return model;
}

// GraniteMoeHybridConfig: Mamba-2 or attention by layer, without positions unless they are asked
// for; then experts beside a shared FFN, or that FFN alone.
ModelShape read_granitemoehybrid(const ConfigFields& fields) {
  ModelShape model = decoder_shape(fields, 2048);
  read_heads(fields, {}, model);
  read_attention_bias(fields, model);
  if (!fields.is_word("position_embedding_type", "rope")) {
    model.position = Position::none;
  }
  model.state_space = grouped_mamba2(fields, model.hidden);
  const std::int64_t shared = fields.size_or("shared_intermediate_size", 1024);
  const bool has_experts = fields.count_or("num_local_experts", 8) > 0;
  if (has_experts) {
    model.moe = local_experts(fields, model, 8, 2);
    model.moe->shared_hidden = shared;
  } else {
    model.ffn_hidden = shared;
  }
  for (const Mixer mixer : block_types(fields, model.layers)) {
    model.kinds.push_back(
        {.mixer = mixer, .ffn = has_experts ? FeedForward::experts : FeedForward::dense});
  }
  return model;
}

}  // namespace forerun
