// What of a training step lies in the host's memory instead of the device's.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forerun {

/// `activations`: what layers keep for the backward pass leaves behind the forward pass and comes
/// back ahead of the backward one. `optimizer`: master weights and moments (and, where the software
/// says so, gradients); `Software::offloaded_update` says where the update runs. `weights`: the
/// layers' weights, which come in for every pass.
struct Offload {
  bool activations = false;
  bool optimizer = false;
  bool weights = false;
  friend auto operator<=>(const Offload&, const Offload&) = default;  // NOLINT: compares bools

  [[nodiscard]] bool any() const { return activations || optimizer || weights; }
};

/// "none", or names joined by commas: activations, optimizer, weights. Nothing for any other text.
[[nodiscard]] std::optional<Offload> offload_from(std::string_view text);
[[nodiscard]] std::string text_of(const Offload& offload);

/// All eight, "none" first.
[[nodiscard]] std::vector<Offload> every_offload();

}  // namespace forerun
