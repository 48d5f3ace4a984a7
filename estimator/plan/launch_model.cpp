// A model's dimensions as settings of Megatron-LM (arguments.py, transformer_config.py) and NeMo 1
// (megatron_gpt_config.yaml).
#include <cmath>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "estimator/plan/launch_settings.hpp"

namespace forerun {
namespace {

std::optional<std::string> unsaid_of_attention(const ModelShape& model) {
  const AttentionShape& attention = model.attention;
  if (model.state_space || model.delta_net) {
    return "its layers that are not attention";
  }
  if (model.block != Block::sequential) {
    return "its parallel blocks";
  }
  if (attention.window || attention.softcap || attention.sinks || attention.output_gate) {
    return "its kind of attention";
  }
  if (model.position == Position::alibi || model.position_offset > 0) {
    return "its kind of positions";
  }
  return std::nullopt;
}

bool has_other_norms(const ModelShape& model) {
  return model.post_norms || model.embedding_norm || model.embedding_scale || model.logit_softcap ||
         model.head_bias || (model.norm == Norm::layer_norm && !model.norm_bias);
}

bool has_mixed_biases(const ModelShape& model) {
  const AttentionShape& attention = model.attention;
  const bool has_biases = attention.output_bias || model.mlp_bias;
  return attention.output_bias != model.mlp_bias || (has_biases && !attention.qkv_bias);
}

// What Megatron's decoder has no argument for; nothing where the model can be said.
std::optional<std::string> unsaid(const ModelShape& model) {
  if (auto part = unsaid_of_attention(model)) {
    return part;
  }
  if (has_other_norms(model)) {
    return "its norms, scales or caps";
  }
  if (model.activation == Activation::relu) {
    return "its ReLU";
  }
  if (has_mixed_biases(model)) {
    return "its biases";
  }
  if (model.moe && (model.moe->expert_bias || model.moe->dense_layers > model.layers)) {
    return "its experts";
  }
  return std::nullopt;
}

void add_megatron_experts(const ModelShape& model, LaunchSettings& settings) {
  if (!model.moe) {
    return;
  }
  const MixtureOfExperts& moe = *model.moe;
  settings.add(fmt::format("--num-experts {}", moe.experts));
  settings.add(fmt::format("--moe-router-topk {}", moe.top_k));
  settings.add(fmt::format("--moe-ffn-hidden-size {}", moe.expert_hidden));
  if (moe.shared_hidden > 0) {
    settings.add(fmt::format("--moe-shared-expert-intermediate-size {}", moe.shared_hidden));
  }
  if (moe.shared_gate) {
    settings.add("--moe-shared-expert-gate");
  }
  if (moe.router_bias) {
    settings.add("--moe-router-enable-expert-bias");
    settings.add("--moe-router-score-function sigmoid");  // a bias asks for it
  }
  settings.add("--moe-token-dispatcher-type alltoall");
  settings.add("--moe-grouped-gemm");
  std::string pattern;
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    const bool has = kind_of(model, layer).ffn == FeedForward::experts;
    pattern += fmt::format("{}{}", layer == 0 ? "" : ",", has ? 1 : 0);
  }
  if (pattern.find('0') != std::string::npos) {
    settings.add("--moe-layer-freq [" + pattern + "]");
  }
}

void add_megatron_attention(const ModelShape& model, LaunchSettings& settings) {
  const AttentionShape& attention = model.attention;
  settings.add(fmt::format("--num-attention-heads {}", attention.heads));
  if (model.latent) {
    settings.add("--multi-latent-attention");
    if (model.latent->query_rank) {
      settings.add(fmt::format("--q-lora-rank {}", *model.latent->query_rank));
    }
    settings.add(fmt::format("--kv-lora-rank {}", model.latent->kv_rank));
    settings.add(fmt::format("--qk-head-dim {}", model.latent->nope_head_size));
    settings.add(fmt::format("--qk-pos-emb-head-dim {}", model.latent->rope_head_size));
    settings.add(fmt::format("--v-head-dim {}", model.latent->value_head_size));
    settings.add("--qk-layernorm");  // of the latents
  } else {
    if (attention.kv_heads != attention.heads) {
      settings.add("--group-query-attention");
      settings.add(fmt::format("--num-query-groups {}", attention.kv_heads));
    }
    settings.add(fmt::format("--kv-channels {}", attention.head_size));
    if (attention.qk_norm) {
      settings.add("--qk-layernorm");
    }
  }
  if (!model.mlp_bias) {
    settings.add("--disable-bias-linear");
    if (attention.qkv_bias) {
      settings.add("--add-qkv-bias");
    }
  }
}

double rotary_part(const AttentionShape& attention) {
  return attention.rotary_size == 0 ? 1.0
                                    : static_cast<double>(attention.rotary_size) /
                                          static_cast<double>(attention.head_size);
}

void add_megatron_kinds(const ModelShape& model, LaunchSettings& settings) {
  const bool is_rms = model.norm == Norm::rms_norm;
  settings.add(fmt::format("--normalization {}", is_rms ? "RMSNorm" : "LayerNorm"));
  if (model.activation == Activation::swiglu) {
    settings.add("--swiglu");
  } else if (model.activation == Activation::geglu) {
    settings.add("--quick-geglu");
  } else if (model.activation == Activation::relu_squared) {
    settings.add("--squared-relu");
  }
  settings.add(fmt::format("--position-embedding-type {}",
                           model.position == Position::rope   ? "rope"
                           : model.position == Position::none ? "none"
                                                              : "learned_absolute"));
  if (!model.latent && rotary_part(model.attention) < 1.0) {
    settings.add(fmt::format("--rotary-percent {}", rotary_part(model.attention)));
  }
  if (!model.tied_embeddings) {
    settings.add("--untie-embeddings-and-output-weights");
  }
}

std::optional<std::string> unsaid_to_nemo(const ModelShape& model) {
  if (model.latent) {
    return "its latent attention";
  }
  if (model.attention.qkv_bias != model.mlp_bias) {
    return "its biases";
  }
  if (model.moe && (model.moe->dense_layers > 0 || !model.kinds.empty() ||
                    model.moe->shared_hidden > 0 || model.moe->router_bias)) {
    return "its layers with experts";
  }
  return unsaid(model);
}

const char* nemo_activation(Activation activation) {
  switch (activation) {
    case Activation::swiglu:
      return "fast-swiglu";
    case Activation::geglu:
      return "fast-geglu";
    case Activation::relu_squared:
      return "squared-relu";
    case Activation::relu:
    case Activation::gelu:
      break;
  }
  return "gelu";
}

const char* yes_no(bool state) {
  return state ? "true" : "false";
}

void lack_model(const ModelShape& model, const std::string& what, LaunchSettings& settings) {
  settings.lack("model " + model.name + ": " + what);
}

}  // namespace

void add_megatron_model(const ModelShape& model, LaunchSettings& settings) {
  if (const auto what = unsaid(model)) {
    lack_model(model, *what, settings);
    return;
  }
  settings.add(fmt::format("--num-layers {}", model.layers));
  settings.add(fmt::format("--hidden-size {}", model.hidden));
  settings.add(fmt::format("--ffn-hidden-size {}", model.ffn_hidden));
  settings.add(fmt::format("--max-position-embeddings {}", model.max_positions));
  settings.add(fmt::format("--vocab-size {}", model.vocabulary));
  add_megatron_attention(model, settings);
  add_megatron_kinds(model, settings);
  add_megatron_experts(model, settings);
  if (model.position == Position::rope) {
    settings.add("# --rotary-base: rope_theta of the model's config.json (else 10000)");
  }
  if (model.mtp_modules > 0) {
    settings.add(fmt::format("--mtp-num-layers {}", model.mtp_modules));
  }
}

void add_nemo_model(const ModelShape& model, LaunchSettings& settings) {
  if (const auto what = unsaid_to_nemo(model)) {
    lack_model(model, *what, settings);
    return;
  }
  const auto add = [&](const char* name, const auto& value) {
    settings.add(fmt::format("  {}: {}", name, value));
  };
  const AttentionShape& attention = model.attention;
  add("num_layers", model.layers);
  add("hidden_size", model.hidden);
  add("ffn_hidden_size", model.ffn_hidden);
  add("num_attention_heads", attention.heads);
  add("num_query_groups",
      attention.kv_heads == attention.heads ? "null" : std::to_string(attention.kv_heads));
  add("kv_channels", attention.head_size);
  add("max_position_embeddings", model.max_positions);
  add("override_vocab_size", model.vocabulary);
  add("normalization", model.norm == Norm::rms_norm ? "rmsnorm" : "layernorm");
  add("activation", nemo_activation(model.activation));
  add("bias", yes_no(model.mlp_bias));
  add("qk_layernorm", yes_no(attention.qk_norm));
  add("position_embedding_type",
      model.position == Position::rope   ? "rope"
      : model.position == Position::none ? "none"
                                         : "learned_absolute");
  add("rotary_percentage", rotary_part(attention));
  add("share_embeddings_and_output_weights", yes_no(model.tied_embeddings));
  if (model.moe) {
    add("num_moe_experts", model.moe->experts);
    add("moe_router_topk", model.moe->top_k);
    add("moe_ffn_hidden_size", model.moe->expert_hidden);
  }
}

}  // namespace forerun
