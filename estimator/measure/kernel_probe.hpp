// Times one kernel key on every rank at once.
#pragma once

#include "comm/communicator.hpp"
#include "estimator/profile/profile.hpp"
#include "kernels/device.hpp"

namespace forerun {

/// How long a probe may go on and how sure it must be.
struct ProbeLimits {
  Seconds time;               ///< for this key
  double tolerance = 0.01;    ///< half-width of the 95 % interval of the median
  std::int64_t samples = 300; ///< at most
};

/// Collective over `world`: all ranks run the key at the same time on random operands, with cold
/// caches, until every rank's median is settled or the limits end it; at least three samples. The
/// slowest rank's statistics, with the spread over ranks.
[[nodiscard]] Timing probe_kernel(Device& device,
                                  Communicator& world,
                                  const KernelKey& key,
                                  const ProbeLimits& limits);

}  // namespace forerun
