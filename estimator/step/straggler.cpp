#include "estimator/step/straggler.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace forerun {

double slowest_device_factor(std::span<const double> times) {
  std::vector<double> sorted(times.begin(), times.end());
  std::ranges::sort(sorted);
  const std::size_t half = sorted.size() / 2;
  const double median =
      sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2.0;
  return sorted.back() / median;
}

double transient_factor(double sigma, std::int64_t units) {
  return 1.0 + sigma * std::sqrt(2.0 * std::log(static_cast<double>(units)));
}

double straggler_factor(const Stragglers& stragglers, std::int64_t units) {
  double factor = stragglers.slowest_device.value_or(1.0);
  if (stragglers.jitter_sigma) {
    const double transient = transient_factor(*stragglers.jitter_sigma, units);
    factor *= std::min(transient, stragglers.worst_seen.value_or(transient));
  }
  return factor;
}

}  // namespace forerun
