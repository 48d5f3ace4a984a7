#include "jobs/tuning.hpp"

#include <array>

#include "jobs/named_flags.hpp"

namespace forerun {
namespace {

constexpr auto target_rows = std::to_array<NamedFlag<LoraTargets>>({
    {"q_proj", &LoraTargets::query},
    {"k_proj", &LoraTargets::key},
    {"v_proj", &LoraTargets::value},
    {"o_proj", &LoraTargets::output},
    {"gate_proj", &LoraTargets::gate},
    {"up_proj", &LoraTargets::up},
    {"down_proj", &LoraTargets::down},
    {"in_proj", &LoraTargets::mixer},
});

// Widths in plus widths out of the targets, which the rank multiplies.
class Widths {
 public:
  void add(bool is_target, std::int64_t in, std::int64_t out) { sum_ += is_target ? in + out : 0; }

  [[nodiscard]] std::int64_t sum() const { return sum_; }

 private:
  std::int64_t sum_ = 0;
};

void add_attention(Widths& widths, const ModelShape& model, const LoraTargets& targets) {
  const AttentionShape& attention = model.attention;
  const std::int64_t queries = attention.heads * attention.head_size;
  const std::int64_t keys = attention.kv_heads * attention.head_size;
  widths.add(targets.query, model.hidden, queries);
  widths.add(targets.key, model.hidden, keys);
  widths.add(targets.value, model.hidden, keys);
  widths.add(targets.output, queries, model.hidden);
}

void add_latent_attention(Widths& widths, const ModelShape& model, const LoraTargets& targets) {
  const LatentAttention& latent = *model.latent;
  const std::int64_t heads = model.attention.heads;
  const std::int64_t queries = heads * (latent.nope_head_size + latent.rope_head_size);
  if (latent.query_rank) {
    widths.add(targets.query, model.hidden, *latent.query_rank);
  }
  widths.add(targets.query, latent.query_rank.value_or(model.hidden), queries);
  const bool keys_or_values = targets.key || targets.value;
  widths.add(keys_or_values, model.hidden, latent.kv_rank + latent.rope_head_size);
  widths.add(
      keys_or_values, latent.kv_rank, heads * (latent.nope_head_size + latent.value_head_size));
  widths.add(targets.output, heads * latent.value_head_size, model.hidden);
}

// Of a Mamba or DeltaNet layer: its projections in, as one, and out.
void add_mixer(Widths& widths, const ModelShape& model, Mixer mixer, const LoraTargets& targets) {
  std::int64_t in = 0;
  std::int64_t inner = 0;
  if (mixer == Mixer::delta_net) {
    const DeltaNet& d = *model.delta_net;
    inner = d.value_heads * d.value_size;
    in = 2 * d.key_heads * d.key_size + 2 * inner;
  } else {
    const StateSpace& s = *model.state_space;
    inner = s.inner;
    in = mixer == Mixer::mamba ? 2 * inner : 2 * inner + 2 * s.state * s.groups + s.heads;
  }
  widths.add(targets.mixer, model.hidden, in);
  widths.add(targets.output, inner, model.hidden);
}

void add_ffn(Widths& widths,
             const ModelShape& model,
             std::int64_t width,
             const LoraTargets& targets) {
  widths.add(targets.gate && is_gated(model.activation), model.hidden, width);
  widths.add(targets.up, model.hidden, width);
  widths.add(targets.down, width, model.hidden);
}

}  // namespace

std::string_view name_of(Tuning tuning) {
  switch (tuning) {
    case Tuning::full:
      return "full";
    case Tuning::lora:
      return "lora";
    case Tuning::qlora:
      return "qlora";
  }
  return {};
}

std::optional<LoraTargets> lora_targets_from(std::string_view text) {
  if (text == "all-linear") {
    return LoraTargets{};
  }
  return flags_from<LoraTargets>(text, target_rows, no_lora_targets);
}

std::string names_of(const LoraTargets& targets) {
  if (targets == LoraTargets{}) {
    return "all-linear";
  }
  return names_of<LoraTargets>(targets, target_rows);
}

std::int64_t adapter_parameters(const ModelShape& model, const Adapters& adapters) {
  Widths widths;
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    const LayerKind kind = kind_of(model, layer);
    if (kind.mixer == Mixer::attention && model.latent) {
      add_latent_attention(widths, model, adapters.targets);
    } else if (kind.mixer == Mixer::attention) {
      add_attention(widths, model, adapters.targets);
    } else if (kind.mixer != Mixer::none) {
      add_mixer(widths, model, kind.mixer, adapters.targets);
    }
    if (kind.ffn == FeedForward::dense) {
      add_ffn(widths, model, model.ffn_hidden, adapters.targets);
    } else if (kind.ffn == FeedForward::experts && model.moe->shared_hidden > 0) {
      add_ffn(widths, model, model.moe->shared_hidden, adapters.targets);
    }
  }
  return adapters.rank * widths.sum();
}

LoraTargets lora_targets_of(const ModelShape& model) {
  LoraTargets has = no_lora_targets;
  for (const auto& [name, member] : target_rows) {
    Adapters one{1, no_lora_targets};
    one.targets.*member = true;
    has.*member = adapter_parameters(model, one) > 0;
  }
  return has;
}

}  // namespace forerun
