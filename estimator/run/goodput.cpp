#include "estimator/run/goodput.hpp"

#include <cmath>

namespace forerun {

Seconds young_interval(const Interruptions& interruptions) {
  const Seconds mean = interruptions.between_failures;
  return std::sqrt(2.0 * (interruptions.checkpoint / mean)) * mean;
}

Seconds daly_interval(const Interruptions& interruptions) {
  const Seconds mean = interruptions.between_failures;
  const Seconds checkpoint = interruptions.checkpoint;
  if (checkpoint >= 2.0 * mean) {
    return mean;
  }
  const double half = checkpoint / (2.0 * mean);
  return young_interval(interruptions) * (1.0 + std::sqrt(half) / 3.0 + half / 9.0) - checkpoint;
}

double goodput(const Interruptions& interruptions, Seconds interval) {
  const Seconds mean = interruptions.between_failures;
  if (interval <= Seconds()) {
    return 0.0;
  }
  const double attempt = std::expm1((interval + interruptions.checkpoint) / mean);
  return (interval / mean) / (attempt * std::exp(interruptions.restart / mean));
}

}  // namespace forerun
