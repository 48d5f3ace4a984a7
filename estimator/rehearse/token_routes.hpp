// Where the copies of a rank's tokens go, and how what arrives is sorted by expert.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernel_key.hpp"

namespace forerun {

/// Of one layer and micro-batch, as the router decided.
struct TokenRoutes {
  std::vector<std::int64_t> sent;      ///< rows to each rank of the expert group
  std::vector<std::int64_t> received;  ///< rows from each
  std::vector<std::int32_t> ends;      ///< one past the last row of each expert held here
  std::vector<std::int32_t> row_of;    ///< where an arriving row goes when sorted by expert
  std::int64_t rows = 0;               ///< that this rank's experts work on
  std::int64_t most_rows = 0;          ///< that a rank of the group works on
  std::int64_t all_rows = 0;           ///< of all ranks of the group
};

/// `ends` holds, for each of `ranks` ranks, where each of the `experts` experts' rows end among
/// that rank's copies sorted by expert; `here` is this rank. Arriving rows lie by sender, then
/// expert.
[[nodiscard]] TokenRoutes token_routes(std::span<const std::int32_t> ends,
                                       std::int64_t ranks,
                                       std::int64_t experts,
                                       std::int64_t here);

/// The key with as many rows as there are instead of as many as were expected.
[[nodiscard]] KernelKey with_rows(KernelKey key, const TokenRoutes& routes);

}  // namespace forerun
