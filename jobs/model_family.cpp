// Which reader reads which family, and the limits of all.
#include "jobs/model_family.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "jobs/families.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

struct Family {
  std::string_view model_type;
  ModelShape (*read)(const ConfigFields&);
};

constexpr auto families = std::to_array<Family>({
    {"bamba", read_bamba},
    {"bloom", read_bloom},
    {"deepseek_v2", read_deepseek_v2},
    {"deepseek_v3", read_deepseek_v3},
    {"falcon", read_falcon},
    {"gemma", read_gemma},
    {"gemma2", read_gemma2},
    {"gemma3", read_gemma3},
    {"gemma3_text", read_gemma3_text},
    {"glm4_moe", read_glm4_moe},
    {"gpt2", read_gpt2},
    {"gpt_neox", read_gpt_neox},
    {"gpt_oss", read_gpt_oss},
    {"gptj", read_gptj},
    {"granitemoe", read_granitemoe},
    {"granitemoehybrid", read_granitemoehybrid},
    {"jamba", read_jamba},
    {"kimi_k2", read_deepseek_v3},  // Kimi K2 names DeepSeek-V3's class
    {"llama", read_llama},
    {"llama4", read_llama4},
    {"llama4_text", read_llama4_text},
    {"mamba", read_mamba},
    {"mamba2", read_mamba2},
    {"mistral", read_mistral},
    {"mixtral", read_mixtral},
    {"mpt", read_mpt},
    {"nemotron_h", read_nemotron_h},
    {"opt", read_opt},
    {"phi", read_phi},
    {"phi3", read_phi3},
    {"qwen2", read_qwen2},
    {"qwen2_moe", read_qwen2_moe},
    {"qwen3", read_qwen3},
    {"qwen3_moe", read_qwen3_moe},
    {"qwen3_next", read_qwen3_next},
});

}  // namespace

std::optional<std::string> uncountable_because(const ModelShape& model) {
  constexpr double most_parameters = 1e17;
  if (model.layers > most_layers || model.mtp_modules > most_layers) {
    return fmt::format(
        "the model has {} layers and {} modules for more tokens; expected at most {}",
        model.layers,
        model.mtp_modules,
        most_layers);
  }
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
  if (model.state_space) {
    const StateSpace& mamba = *model.state_space;
    width += 3.0 * real(mamba.inner) + 2.0 * real(mamba.groups) * real(mamba.state);
    width += real(mamba.inner) * real(mamba.dt_rank + 4 * mamba.state + mamba.conv_width) /
             real(model.hidden);
  }
  if (model.delta_net) {
    const DeltaNet& delta = *model.delta_net;
    width += 2.0 *
             (real(delta.key_heads) * real(delta.key_size) +
              real(delta.value_heads) * real(delta.value_size)) *
             (1.0 + real(delta.conv_width) / real(model.hidden));
  }
  const double tables = real(model.vocabulary) + real(model.max_positions);
  if (real(model.hidden) * (real(model.layers) * width + tables) > most_parameters) {
    return "the sizes together give more than 1e17 parameters";
  }
  return std::nullopt;
}

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
  if (const auto reason = uncountable_because(model)) {
    fields.refuse("model_type", *reason);
  }
  return model;
}

}  // namespace forerun
