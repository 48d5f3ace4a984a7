#include "estimator/plan/torchtitan_flavors.hpp"

#include <algorithm>
#include <array>

namespace forerun {
namespace {

// torchtitan/models/*/__init__.py: llama3_args, deepseekv3_args, qwen3_args, llama4_args,
// gptoss_configs; only flavors whose dimensions are those of the catalog's model.
constexpr auto flavors = std::to_array<TorchtitanFlavor>({
    {"llama3", "8B", "llama-3-8b"},
    {"llama3", "70B", "llama-3-70b"},
    {"llama3", "405B", "llama-3.1-405b"},
    {"deepseek_v3", "16B", "deepseek-v2-lite"},
    {"deepseek_v3", "236B", "deepseek-v2"},
    {"deepseek_v3", "671B", "deepseek-v3"},
    {"qwen3", "0.6B", "qwen3-0.6b"},
    {"qwen3", "1.7B", "qwen3-1.7b"},
    {"qwen3", "4B", "qwen3-4b"},
    {"qwen3", "8B", "qwen3-8b"},
    {"qwen3", "14B", "qwen3-14b"},
    {"qwen3", "32B", "qwen3-32b"},
    {"qwen3", "30B-A3B", "qwen3-30b-a3b"},
    {"qwen3", "235B-A22B", "qwen3-235b-a22b"},
    {"llama4", "17bx16e", "llama-4-scout"},
    {"llama4", "17bx128e", "llama-4-maverick"},
    {"gpt_oss", "20b", "gpt-oss-20b"},
    {"gpt_oss", "120b", "gpt-oss-120b"},
});

}  // namespace

std::optional<TorchtitanFlavor> flavor_of(std::string_view model) {
  const auto* const found = std::ranges::find(flavors, model, &TorchtitanFlavor::model);
  return found == flavors.end() ? std::nullopt : std::optional(*found);
}

std::optional<TorchtitanFlavor> flavor_named(std::string_view name, std::string_view flavor) {
  const std::string_view plain = flavor.substr(0, flavor.find('_'));
  const auto* const found = std::ranges::find_if(
      flavors, [&](const auto& known) { return known.name == name && known.flavor == plain; });
  return found == flavors.end() ? std::nullopt : std::optional(*found);
}

}  // namespace forerun
