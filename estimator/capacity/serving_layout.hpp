// How one replica of a served model lies on devices.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/collective_key.hpp"
#include "jobs/model_shape.hpp"

namespace forerun {

/// A replica is pp stages of max(tp, ep) ranks. Attention and dense matrices are split over tp
/// ranks; with ep > tp, ep / tp attention groups each serve their own sequences (data-parallel
/// attention) and exchange tokens with the experts; with ep < tp every expert is split over tp / ep
/// ranks.
struct ServingLayout {
  std::int64_t tensor = 1;    ///< tp
  std::int64_t pipeline = 1;  ///< pp
  std::int64_t expert = 1;    ///< ep

  friend auto operator<=>(const ServingLayout&, const ServingLayout&) = default;
};

[[nodiscard]] std::int64_t stage_ranks(const ServingLayout& layout);
[[nodiscard]] std::int64_t devices_of(const ServingLayout& layout);
/// Groups of ranks that attend to different sequences.
[[nodiscard]] std::int64_t attention_groups(const ServingLayout& layout);
/// Ranks that share one expert.
[[nodiscard]] std::int64_t expert_tensor(const ServingLayout& layout);

/// "tp=8,pp=2,ep=8"; degrees of 1 are left out but for tp.
[[nodiscard]] std::string text_of(const ServingLayout& layout);

/// Why the model cannot be split so, in one sentence; empty when it can.
[[nodiscard]] std::optional<std::string> unservable_because(const ModelShape& model,
                                                            const ServingLayout& layout);

/// Every layout that the model can be split in, on at most `devices` devices in nodes of
/// `devices_per_node`: tp and ep that share a node evenly or are made of whole nodes, ep 1 or
/// from tp on, pp up to 16.
[[nodiscard]] std::vector<ServingLayout> servable_layouts(const ModelShape& model,
                                                          std::int64_t devices,
                                                          std::int64_t devices_per_node);

/// `ranks` neighbours, all groups of their kind at once.
[[nodiscard]] GroupShape neighbours(std::int64_t ranks, std::int64_t devices_per_node);

}  // namespace forerun
