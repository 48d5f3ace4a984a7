// Times one collective with all groups of its kind running at once.
#pragma once

#include "estimator/measure/grid_communicators.hpp"
#include "estimator/measure/kernel_probe.hpp"
#include "estimator/measure/measurement_plan.hpp"

namespace forerun {

/// Where collectives run: buffers on `device`, groups split from `data_world` (NCCL, or the host
/// world itself), synchronisation and statistics over `host_world`.
struct CollectivePlace {
  Device& device;
  Communicator& host_world;
  GridCommunicators& groups;
};

/// Collective over the world. Every sample is the maximum over ranks after a barrier; the first
/// call of each size is not counted. send_recv is half a round trip between neighbouring stages.
[[nodiscard]] Timing probe_collective(const CollectivePlace& place,
                                      const PlannedCollective& planned,
                                      const ProbeLimits& limits);

}  // namespace forerun
