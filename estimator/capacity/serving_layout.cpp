#include "estimator/capacity/serving_layout.hpp"

#include <algorithm>
#include <array>

namespace forerun {
namespace {

// Powers of two, and what else divides the heads: a model of 40 heads is split over 5 or 10.
std::vector<std::int64_t> divisors(std::int64_t number, std::int64_t most) {
  std::vector<std::int64_t> found;
  for (std::int64_t i = 1; i <= std::min(number, most); ++i) {
    if (number % i == 0) {
      found.push_back(i);
    }
  }
  return found;
}

bool shares_nodes(std::int64_t ranks, std::int64_t per_node) {
  return ranks <= per_node ? per_node % ranks == 0 : ranks % per_node == 0;
}

constexpr auto stages = std::to_array<std::int64_t>({1, 2, 4, 8, 16});

bool divides(std::int64_t part, std::int64_t whole) {
  return whole % part == 0;
}

std::optional<std::string> complaint(const std::string& degree,
                                     std::int64_t value,
                                     const std::string& what,
                                     std::int64_t count) {
  return degree + "=" + std::to_string(value) + " does not divide the model's " +
         std::to_string(count) + " " + what;
}

}  // namespace

std::int64_t stage_ranks(const ServingLayout& layout) {
  return std::max(layout.tensor, layout.expert);
}

std::int64_t devices_of(const ServingLayout& layout) {
  return layout.pipeline * stage_ranks(layout);
}

std::int64_t attention_groups(const ServingLayout& layout) {
  return stage_ranks(layout) / layout.tensor;
}

std::int64_t expert_tensor(const ServingLayout& layout) {
  return stage_ranks(layout) / layout.expert;
}

std::string text_of(const ServingLayout& layout) {
  std::string text = "tp=" + std::to_string(layout.tensor);
  text += layout.pipeline > 1 ? ",pp=" + std::to_string(layout.pipeline) : "";
  text += layout.expert > 1 ? ",ep=" + std::to_string(layout.expert) : "";
  return text;
}

std::optional<std::string> unservable_because(const ModelShape& model,
                                              const ServingLayout& layout) {
  const std::int64_t tp = layout.tensor;
  const AttentionShape& attention = model.attention;
  if (attention.heads > 0 && !divides(tp, attention.heads)) {
    return complaint("tp", tp, "heads", attention.heads);
  }
  if (attention.kv_heads > 0 && !divides(tp, attention.kv_heads) &&
      !divides(attention.kv_heads, tp)) {
    return complaint("tp", tp, "key-value heads", attention.kv_heads);
  }
  if (model.ffn_hidden > 0 && has_ffn(model, FeedForward::dense) &&
      !divides(tp, model.ffn_hidden)) {
    return complaint("tp", tp, "FFN columns", model.ffn_hidden);
  }
  if (layout.pipeline > model.layers) {
    return "pp=" + std::to_string(layout.pipeline) + " is more than the model's " +
           std::to_string(model.layers) + " layers";
  }
  if (layout.expert > 1 && !model.moe) {
    return "ep=" + std::to_string(layout.expert) + ": the model has no experts";
  }
  if (!divides(std::min(layout.tensor, layout.expert), stage_ranks(layout))) {
    return "tp=" + std::to_string(tp) + " and ep=" + std::to_string(layout.expert) +
           ": one must divide the other";
  }
  if (model.moe && !divides(layout.expert, model.moe->experts)) {
    return complaint("ep", layout.expert, "experts", model.moe->experts);
  }
  if (model.moe && !divides(expert_tensor(layout), model.moe->expert_hidden)) {
    return complaint(
        "tp/ep", expert_tensor(layout), "columns of an expert", model.moe->expert_hidden);
  }
  return std::nullopt;
}

std::vector<ServingLayout> servable_layouts(const ModelShape& model,
                                            std::int64_t devices,
                                            std::int64_t devices_per_node) {
  // A group over more devices than this only waits for its messages.
  constexpr std::int64_t most_tensor = 64;
  const std::int64_t heads = std::max<std::int64_t>(model.attention.heads, most_tensor);
  const std::int64_t experts = model.moe ? model.moe->experts : 1;
  std::vector<ServingLayout> layouts;
  for (const std::int64_t tensor : divisors(heads, std::min(devices, most_tensor))) {
    for (const std::int64_t expert : divisors(experts, devices)) {
      for (const std::int64_t pipeline : stages) {
        const ServingLayout layout{tensor, pipeline, expert};
        const bool is_natural = (expert == 1 || expert >= tensor) &&
                                shares_nodes(tensor, devices_per_node) &&
                                shares_nodes(stage_ranks(layout), devices_per_node);
        if (is_natural && devices_of(layout) <= devices && !unservable_because(model, layout)) {
          layouts.push_back(layout);
        }
      }
    }
  }
  return layouts;
}

GroupShape neighbours(std::int64_t ranks, std::int64_t devices_per_node) {
  const std::int64_t per_node = std::min(ranks, devices_per_node);
  return {ranks, per_node, std::max<std::int64_t>(1, devices_per_node / per_node)};
}

}  // namespace forerun
