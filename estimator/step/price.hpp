// What one operation costs, and how far to trust that.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "comm/collective_key.hpp"
#include "estimator/step/overlap.hpp"
#include "jobs/software.hpp"
#include "kernels/kernel_key.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Where a price comes from, best first: this key on this cluster; neighbouring sizes of the same
/// family; a roofline fitted to this device's measurements; peak times a class efficiency.
enum class Tier { measured, interpolated, fitted, datasheet };

[[nodiscard]] constexpr std::string_view name_of(Tier tier) {
  switch (tier) {
    case Tier::measured:
      return "measured";
    case Tier::interpolated:
      return "interpolated";
    case Tier::fitted:
      return "fitted";
    case Tier::datasheet:
      return "datasheet";
  }
  return {};
}

struct Price {
  Seconds time;
  Tier tier = Tier::datasheet;
  double relative_error = 0.0;  ///< of the tier, from its own leave-one-out check
};

/// Prices keys; what a profile or a cluster turns into.
struct PriceList {
  std::function<Price(const KernelKey&)> kernel;
  std::function<Price(const CollectiveKey&)> collective;
  /// Attention by the version that a framework calls; empty: whatever was measured.
  std::function<Price(const KernelKey&, AttentionMethod)> attention = {};
  /// Where the pair was measured; empty, or nothing for a pair: the formula of `beside`.
  OverlapPrices overlap = {};
  /// What a collective takes at least when hosts launch it one by one; empty: nothing is known.
  std::function<Seconds(const CollectiveKey&)> launched = {};
  /// What `ranks` that have worked so long side by side wait for the slowest of them when they
  /// meet, relative to the work; empty: nothing is known, and nobody waits.
  std::function<double(Seconds work, std::int64_t ranks)> wait = {};
};

}  // namespace forerun
