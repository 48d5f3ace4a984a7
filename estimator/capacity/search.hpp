// Which points are tried, and which of them is best or nearest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "estimator/capacity/capacity.hpp"

namespace forerun {

/// Every point that fits in memory, of one layout after another, by rising batch.
struct SearchedPoints {
  std::vector<ServingPoint> points;
  /// Where nothing fits: the layout that needs least memory a device, with one sequence.
  std::optional<ServingPoint> nearest_in_memory;
  std::int64_t most_sequences = 0;  ///< that any replica's memory holds
  /// Some layout fits in memory and no pass has room for the prompts that its sequences bring.
  bool lacks_room_for_prompts = false;
};

[[nodiscard]] SearchedPoints continuous_points(const CapacityRequest& request,
                                               const Cluster& cluster,
                                               const PriceList& prices);
[[nodiscard]] SearchedPoints decode_points(const CapacityRequest& request,
                                           const Cluster& cluster,
                                           const PriceList& prices);
[[nodiscard]] SearchedPoints prefill_points(const CapacityRequest& request,
                                            const Cluster& cluster,
                                            const PriceList& prices);

/// By how much a point misses its limits: the larger of ttft and tpot over their limits, at least
/// 1. 1 where it meets both.
[[nodiscard]] double excess(const ServingPoint& point, const Workload& workload);

/// Those that no other beats in both tokens/s a device and tokens/s a user.
[[nodiscard]] std::vector<ServingPoint> pareto_front(std::vector<ServingPoint> points);

/// 1, 2, 3, 4, 6, 8, 12 ... and `most`, each a multiple of `unit`.
[[nodiscard]] std::vector<std::int64_t> batch_sizes(std::int64_t most, std::int64_t unit);

}  // namespace forerun
