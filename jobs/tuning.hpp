// Fine-tuning: which weights of a model are trained, and what stands in for those that are not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/model_shape.hpp"

namespace forerun {

/// `full`: every weight, as in training from scratch. `lora`: pairs of narrow matrices beside
/// frozen ones (Hu et al. 2021, LoRA, arXiv 2106.09685, section 4.1). `qlora`: the same over
/// weights of 4 bits that are widened before every product (Dettmers et al. 2023, QLoRA, arXiv
/// 2305.14314, section 3).
enum class Tuning { full, lora, qlora };

[[nodiscard]] std::string_view name_of(Tuning tuning);

/// The linear layers that get adapters, by the names that Hugging Face's PEFT gives them. Experts
/// and routers never do; latent attention's projections count as q_proj, k_proj and v_proj, shared
/// experts' as the FFN's, a Mamba or DeltaNet layer's as in_proj and o_proj.
struct LoraTargets {
  bool query = true;
  bool key = true;
  bool value = true;
  bool output = true;
  bool gate = true;
  bool up = true;
  bool down = true;
  bool mixer = true;
  friend bool operator==(const LoraTargets&, const LoraTargets&) = default;
};

inline constexpr LoraTargets no_lora_targets{
    false, false, false, false, false, false, false, false};

/// "all-linear", or names joined by "+": q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj,
/// down_proj, in_proj. Nothing for any other text.
[[nodiscard]] std::optional<LoraTargets> lora_targets_from(std::string_view text);
[[nodiscard]] std::string names_of(const LoraTargets& targets);

/// The targets that the model has.
[[nodiscard]] LoraTargets lora_targets_of(const ModelShape& model);

/// Of `lora` and `qlora`. An adapter of rank r beside W[out x in] has r * (in + out) weights.
struct Adapters {
  std::int64_t rank = 16;
  LoraTargets targets;
  friend bool operator==(const Adapters&, const Adapters&) = default;
};

/// Trainable weights of all adapters of the model.
[[nodiscard]] std::int64_t adapter_parameters(const ModelShape& model, const Adapters& adapters);

}  // namespace forerun
