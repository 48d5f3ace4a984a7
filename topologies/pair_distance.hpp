// How far apart two ranks are, as measured between them.
#pragma once

#include <cstdint>
#include <vector>

#include "units/quantity.hpp"

namespace forerun {

struct PairDistance {
  std::int64_t first = 0;      ///< a rank; below `second`
  std::int64_t second = 0;     ///< a rank
  Seconds latency;             ///< half a round trip of a message of a few bytes, median
  BytesPerSecond bandwidth;    ///< each way, both ways at once, every rank busy with a partner
  double latency_error = 0.0;  ///< half of the median's 95 % interval, relative to the median
  double bandwidth_error = 0.0;
  friend bool operator==(const PairDistance&, const PairDistance&) = default;
};

/// Pairs that were measured in several turns, once each, by rank: the medians over turns. Errors
/// are the median ones, or half of what lies between the least and the largest of the turns,
/// relative to the median, where that is more: what disturbs one turn disturbs all pairs that it
/// measures.
[[nodiscard]] std::vector<PairDistance> median_over_turns(const std::vector<PairDistance>& pairs);

}  // namespace forerun
