// The spellings of the choices of a recipe.
#include "jobs/recipe.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "jobs/named_flags.hpp"
#include "units/quantity_text.hpp"

namespace forerun {
namespace {

template <typename Choice>
using Spelling = std::pair<Choice, std::string_view>;

constexpr auto precisions = std::to_array<Spelling<Precision>>({
    {Precision::bf16, "bf16"},
    {Precision::fp16, "fp16"},
    {Precision::fp32, "fp32"},
    {Precision::fp8, "fp8"},
    {Precision::mxfp8, "mxfp8"},
    {Precision::nvfp4, "nvfp4"},
});
constexpr auto schedules = std::to_array<Spelling<Schedule>>({
    {Schedule::gpipe, "gpipe"},
    {Schedule::one_f_one_b, "1f1b"},
    {Schedule::interleaved, "interleaved"},
    {Schedule::breadth_first, "breadth-first"},
    {Schedule::zb_h1, "zb-h1"},
    {Schedule::zb_h2, "zb-h2"},
    {Schedule::zb_v, "zb-v"},
    {Schedule::dualpipe, "dualpipe"},
    {Schedule::dualpipe_v, "dualpipe-v"},
});

template <typename Choice>
std::string_view spelling_of(Choice choice, std::span<const Spelling<Choice>> spellings) {
  for (const auto& [known, name] : spellings) {
    if (known == choice) {
      return name;
    }
  }
  return {};
}

template <typename Choice>
std::optional<Choice> choice_of(std::string_view name,
                                std::span<const Spelling<Choice>> spellings) {
  for (const auto& [choice, known] : spellings) {
    if (known == name) {
      return choice;
    }
  }
  return std::nullopt;
}

constexpr auto modules = std::to_array<NamedFlag<RecomputeModules>>({
    {"core_attn", &RecomputeModules::core_attention},
    {"layernorm", &RecomputeModules::norms},
    {"mlp_act", &RecomputeModules::activation},
    {"mlp", &RecomputeModules::mlp},
    {"moe_act", &RecomputeModules::expert_activation},
});

}  // namespace

std::int64_t recomputed_layers(const RecomputePolicy& policy,
                               std::int64_t stage,
                               std::int64_t layers) {
  switch (policy.kind) {
    case Recompute::full:
      return layers;
    case Recompute::block:
      return std::min(layers,
                      policy.by_stage.empty() ? policy.layers
                                              : policy.by_stage[static_cast<std::size_t>(stage)]);
    case Recompute::none:
    case Recompute::selective:
      return 0;
  }
  return 0;
}

std::optional<RecomputePolicy> recompute_policy_from(std::string_view text) {
  constexpr std::string_view block = "block:";
  if (text == "none") {
    return RecomputePolicy{};
  }
  if (text == "full") {
    return RecomputePolicy{Recompute::full, {}, 0};
  }
  if (text == "selective") {
    return RecomputePolicy{Recompute::selective, {}, 0};
  }
  if (text.starts_with(block)) {
    const auto layers = layer_counts_from(text.substr(block.size()));
    if (!layers || (layers->size() == 1 && layers->front() == 0)) {
      return std::nullopt;
    }
    return layers->size() == 1 ? RecomputePolicy{Recompute::block, {}, layers->front()}
                               : RecomputePolicy{Recompute::block, {}, 0, *layers};
  }
  const RecomputeModules none{.core_attention = false};
  if (const auto chosen = flags_from<RecomputeModules>(text, modules, none)) {
    return RecomputePolicy{Recompute::selective, *chosen, 0};
  }
  return std::nullopt;
}

std::string text_of(const RecomputePolicy& policy) {
  switch (policy.kind) {
    case Recompute::none:
      return "none";
    case Recompute::full:
      return "full";
    case Recompute::block:
      return "block:" +
             (policy.by_stage.empty() ? std::to_string(policy.layers) : text_of(policy.by_stage));
    case Recompute::selective:
      break;
  }
  if (policy.modules == RecomputeModules{}) {
    return "selective";
  }
  return names_of<RecomputeModules>(policy.modules, modules);
}

std::optional<ExpertLoad> expert_load_from(std::string_view text) {
  constexpr std::string_view power_law = "power-law:";
  constexpr std::string_view busiest = "busiest:";
  if (text == "balanced") {
    return ExpertLoad{};
  }
  if (text == "multinomial") {
    return ExpertLoad{LoadKind::multinomial};
  }
  if (text.starts_with(power_law)) {
    const auto alpha = parse_count(text.substr(power_law.size()));
    return alpha && *alpha > 0.0 ? std::optional(ExpertLoad{LoadKind::power_law, *alpha})
                                 : std::nullopt;
  }
  if (text.starts_with(busiest)) {
    const auto factor = parse_count(text.substr(busiest.size()));
    return factor && *factor >= 1.0 ? std::optional(ExpertLoad{LoadKind::busiest, 0.0, *factor})
                                    : std::nullopt;
  }
  return std::nullopt;
}

std::string text_of(const ExpertLoad& load) {
  switch (load.kind) {
    case LoadKind::multinomial:
      return "multinomial";
    case LoadKind::power_law:
      return fmt::format("power-law:{}", load.alpha);
    case LoadKind::busiest:
      return fmt::format("busiest:{}", load.factor);
    case LoadKind::balanced:
      break;
  }
  return "balanced";
}

std::optional<ExpertDispatch> expert_dispatch_from(std::string_view text) {
  constexpr std::string_view limited = "node-limited:";
  if (text == "plain") {
    return ExpertDispatch{};
  }
  if (text == "hierarchical") {
    return ExpertDispatch{DispatchKind::hierarchical, 0};
  }
  if (text.starts_with(limited)) {
    const auto nodes = parse_whole(text.substr(limited.size()), 1);
    return nodes ? std::optional(ExpertDispatch{DispatchKind::node_limited, *nodes}) : std::nullopt;
  }
  return std::nullopt;
}

std::string text_of(const ExpertDispatch& dispatch) {
  switch (dispatch.kind) {
    case DispatchKind::hierarchical:
      return "hierarchical";
    case DispatchKind::node_limited:
      return fmt::format("node-limited:{}", dispatch.nodes);
    case DispatchKind::plain:
      break;
  }
  return "plain";
}

bool has_narrow_products(Precision precision) {
  return precision == Precision::fp8 || precision == Precision::mxfp8 ||
         precision == Precision::nvfp4;
}

std::string_view name_of(Precision precision) {
  return spelling_of<Precision>(precision, precisions);
}

std::string_view name_of(Schedule schedule) {
  return spelling_of<Schedule>(schedule, schedules);
}

std::string_view name_of(ContextKind kind) {
  switch (kind) {
    case ContextKind::all_gather:
      return "allgather";
    case ContextKind::ulysses:
      return "ulysses";
    case ContextKind::hierarchical:
      return "hierarchical";
    case ContextKind::ring:
      break;
  }
  return "ring";
}

std::optional<Precision> precision_from(std::string_view name) {
  return choice_of<Precision>(name, precisions);
}

std::optional<Schedule> schedule_from(std::string_view name) {
  return choice_of<Schedule>(name, schedules);
}

}  // namespace forerun
