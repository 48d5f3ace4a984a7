// Times one kernel key on every rank at once.
#pragma once

#include <atomic>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "comm/communicator.hpp"
#include "estimator/measure/operand_arena.hpp"
#include "estimator/profile/profile.hpp"
#include "kernels/device.hpp"

namespace forerun {

/// How long a probe may go on and how sure it must be.
struct ProbeLimits {
  Seconds time;                             ///< for this key
  double tolerance = 0.01;                  ///< half-width of the 95 % interval of the median
  std::int64_t samples = 300;               ///< at most
  const std::atomic<bool>* stop = nullptr;  ///< set when somebody wants the program to end
  Seconds left =
      Seconds::infinite();  ///< of the run's budget, for a collective; alike on all ranks
};

/// A device, the ranks that measure together, and the memory for it.
struct ProbePlace {
  Device& device;
  Communicator& world;
  OperandArena& arena;
};

/// What a probe found, or why there is nothing to find: "rank 1: out of memory".
using ProbeResult = std::variant<KernelRecord, std::string>;

/// Collective over the world: all ranks run the key at the same time on random operands, with cold
/// caches, until every rank's median is settled or the limits end it; at least three samples unless
/// it is stopped. The slowest rank's statistics, the medians of all; then a few runs back to back
/// for the hot time.
///
/// Refused, with a reason instead of a record, on every rank alike: what a device or a library
/// refuses, operands for which it has no room, outputs that hold NaN or were not written (they are
/// poisoned before the first run; looked at are both ends and places between), a rate of matrix
/// work above the device's ceiling, bytes moved faster than it can.
[[nodiscard]] ProbeResult probe_kernel(const ProbePlace& place,
                                       const KernelKey& key,
                                       const ProbeLimits& limits);

}  // namespace forerun
