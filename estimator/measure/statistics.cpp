#include "estimator/measure/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace forerun {

Timing timing_of(std::vector<Seconds> samples) {
  std::ranges::sort(samples);
  const auto n = static_cast<double>(samples.size());
  const auto at = [&](double rank) {
    const double last = n - 1.0;
    return samples[static_cast<std::size_t>(std::clamp(rank, 0.0, last))];
  };
  Timing timing;
  const std::size_t middle = samples.size() / 2;
  timing.median =
      samples.size() % 2 == 1 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2.0;
  timing.low = at(std::floor(n / 2.0 - 0.98 * std::sqrt(n)));
  timing.high = at(std::ceil(n / 2.0 + 0.98 * std::sqrt(n)));
  timing.least = samples.front();
  timing.p95 = at(std::ceil(0.95 * n) - 1.0);
  timing.samples = static_cast<std::int64_t>(samples.size());
  return timing;
}

bool is_settled(const std::vector<Seconds>& samples, double tolerance) {
  if (samples.size() < 10) {
    return false;
  }
  const Timing timing = timing_of(samples);
  return (timing.high - timing.low) / (2.0 * timing.median) <= tolerance;
}

}  // namespace forerun
