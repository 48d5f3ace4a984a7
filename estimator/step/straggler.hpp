// What a synchronous step loses to the slowest of many devices.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace forerun {

/// Nothing is assumed: absent means that no device is slower than the priced one.
struct Stragglers {
  /// Static: time of the slowest device over that of the priced one, from a measurement of all.
  std::optional<double> slowest_device = std::nullopt;
  /// Transient: relative standard deviation of the time of one unit (a node) from step to step.
  std::optional<double> jitter_sigma = std::nullopt;
  /// The worst single unit that was seen, over the mean; bounds the transient factor.
  std::optional<double> worst_seen = std::nullopt;
};

/// Slowest over typical, of the same work timed on every device: max / median. Needs at least one
/// time, all above 0.
[[nodiscard]] double slowest_device_factor(std::span<const double> times);

/// E[max] of `units` independent times with mean 1 and relative standard deviation `sigma`:
/// 1 + sigma sqrt(2 ln n), the leading term of the extreme value of a (log)normal with small sigma,
/// which it bounds from above (modelling.md, section 7). 1 for one unit.
[[nodiscard]] double transient_factor(double sigma, std::int64_t units);

/// Both, multiplied: what the time of a step is multiplied with. 1 when nothing is known.
[[nodiscard]] double straggler_factor(const Stragglers& stragglers, std::int64_t units);

}  // namespace forerun
