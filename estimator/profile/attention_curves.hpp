// Times of attention from a catalog's rates, between the head sizes that were measured.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "estimator/step/price.hpp"
#include "topologies/device_profile.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// launch + F / rate (1 + l / keys) (1 + r / rows), with the seconds per FLOP and size, and what
/// short sequences add to them, interpolated between head sizes in their logarithms and, beyond
/// those that were measured, the rate held. Longer sequences, more heads and larger heads are never
/// faster; where rates of two sizes come from two kernels and say otherwise, the larger size's is
/// lowered. A window counts as the keys that it leaves visible and is
/// never slower than none; nor is a causal mask slower than none, which is fitted apart.
class AttentionCurves {
 public:
  AttentionCurves(std::span<const AttentionRate> rates, FlopsPerSecond peak);

  /// Nothing where the rates have no such direction. A mask that is not among them is priced as the
  /// other one.
  [[nodiscard]] std::optional<Price> price(const KernelKey& key) const;

 private:
  struct Anchor {
    double log_head_size = 0.0;
    double log_slowness = 0.0;   ///< head size x seconds per FLOP
    double log_shortness = 0.0;  ///< that times the half length
    double half_rows = 0.0;
    double launch_s = 0.0;
    double error = 0.0;
  };

  [[nodiscard]] const std::vector<Anchor>* anchors_of(bool is_forward, bool is_causal) const;
  /// By the rates alone; of attention. Nothing where there is no such direction.
  [[nodiscard]] std::optional<Price> by_rates(const KernelKey& key) const;
  static Anchor at(const std::vector<Anchor>& anchors, double head_size);

  std::map<std::pair<bool, bool>, std::vector<Anchor>> anchors_;  ///< by forward, causal
};

}  // namespace forerun
