#include "estimator/measure/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace forerun {

namespace {

constexpr std::size_t enough_for_flags = 12;

// The median lies outside of all of n samples with a probability of 2^(1-n): of fewer than six not
// even their whole range holds it in 95 % of cases.
constexpr std::size_t fewest_for_interval = 6;

Seconds median_time(std::vector<Seconds> samples) {
  std::ranges::sort(samples);
  const std::size_t middle = samples.size() / 2;
  return samples.size() % 2 == 1 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2.0;
}

Seconds deviation_of(const std::vector<Seconds>& samples, Seconds median) {
  std::vector<Seconds> deviations;
  deviations.reserve(samples.size());
  for (const Seconds sample : samples) {
    deviations.push_back(std::max(sample, median) - std::min(sample, median));
  }
  return median_time(std::move(deviations));
}

bool drifts(const std::vector<Seconds>& samples, Seconds median) {
  constexpr double allowed = 0.02;
  const auto third = static_cast<std::ptrdiff_t>(samples.size() / 3);
  const Seconds first = median_time({samples.begin(), samples.begin() + third});
  const Seconds last = median_time({samples.end() - third, samples.end()});
  return std::abs((last - first) / median) > allowed;
}

// A gap between neighbours, with a fifth of the samples on either side of it.
bool has_two_modes(const std::vector<Seconds>& sorted, Seconds median) {
  constexpr double wide = 0.05;
  const std::size_t fifth = sorted.size() / 5;
  for (std::size_t i = fifth; i + fifth < sorted.size(); ++i) {
    if (i > 0 && (sorted[i] - sorted[i - 1]) / median > wide) {
      return true;
    }
  }
  return false;
}

}  // namespace

Timing timing_of(std::vector<Seconds> samples, double tolerance) {
  Timing timing;
  timing.median = median_time(samples);
  timing.mad = deviation_of(samples, timing.median);
  const bool has_enough = samples.size() >= enough_for_flags;
  timing.is_drifting = has_enough && drifts(samples, timing.median);
  std::ranges::sort(samples);
  const auto n = static_cast<double>(samples.size());
  const auto at = [&](double rank) {
    const double last = n - 1.0;
    return samples[static_cast<std::size_t>(std::clamp(rank, 0.0, last))];
  };
  timing.low = at(std::floor(n / 2.0 - 0.98 * std::sqrt(n)));
  timing.high = at(std::ceil(n / 2.0 + 0.98 * std::sqrt(n)));
  timing.least = samples.front();
  timing.p95 = at(std::ceil(0.95 * n) - 1.0);
  timing.samples = static_cast<std::int64_t>(samples.size());
  constexpr double long_tail = 1.2;
  timing.is_unsettled = samples.size() < fewest_for_interval ||
                        (timing.high - timing.low) / (2.0 * timing.median) > tolerance;
  timing.is_spread = has_enough && (timing.p95 / timing.median > long_tail ||
                                    has_two_modes(samples, timing.median));
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
