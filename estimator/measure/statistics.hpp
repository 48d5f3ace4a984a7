// Medians with confidence intervals, and when to stop sampling (modelling.md 10.3).
#pragma once

#include <vector>

#include "estimator/profile/profile.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Median, its non-parametric 95 % interval from order statistics (ranks n/2 -+ 0.98 sqrt(n)),
/// least, 95th percentile, median absolute deviation. Flags (modelling.md 10.3): unsettled when the
/// interval's half-width exceeds `tolerance` of the median; drifting when the medians of the first
/// and the last third, in the order of `samples`, differ by over 2 %; spread when p95 exceeds 1.2
/// medians or a gap of over 5 % of the median splits off a fifth of the samples. Drift and spread
/// need twelve samples. Needs at least one.
[[nodiscard]] Timing timing_of(std::vector<Seconds> samples, double tolerance = 0.01);

/// True once the interval's half-width is within `tolerance` of the median, with at least ten
/// samples.
[[nodiscard]] bool is_settled(const std::vector<Seconds>& samples, double tolerance);

}  // namespace forerun
