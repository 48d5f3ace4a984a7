// Medians with confidence intervals, and when to stop sampling (modelling.md 10.3).
#pragma once

#include <vector>

#include "estimator/profile/profile.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Median, its non-parametric 95 % interval from order statistics (ranks n/2 -+ 0.98 sqrt(n)),
/// least and 95th percentile. Needs at least one sample.
[[nodiscard]] Timing timing_of(std::vector<Seconds> samples);

/// True once the interval's half-width is within `tolerance` of the median, with at least ten
/// samples.
[[nodiscard]] bool is_settled(const std::vector<Seconds>& samples, double tolerance);

}  // namespace forerun
