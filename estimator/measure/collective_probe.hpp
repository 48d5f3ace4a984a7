// Times one collective with all groups of its kind running at once (modelling.md 10.4).
#pragma once

#include <string_view>

#include "comm/watch/rank_watch.hpp"
#include "estimator/measure/kernel_probe.hpp"
#include "estimator/measure/measurement_plan.hpp"
#include "estimator/measure/probe_groups.hpp"

namespace forerun {

/// Where collectives run: buffers on `device`, synchronisation and statistics over `host_world`.
struct CollectivePlace {
  Device& device;
  Communicator& host_world;
  RankWatch* watch = nullptr;  ///< hears of every operation that ends
};

/// What besides the isolated latency is wanted.
enum class ProbeDepth {
  priced,   ///< that and the mean of operations back to back
  compared  ///< also in place, as nccl-tests prints it
};

/// What was measured, or why it cannot be, on every rank alike: "rank 1: out of memory".
using CollectiveResult = std::variant<CollectiveRecord, std::string>;

/// The reason for which a run's budget leaves a key out.
inline constexpr std::string_view out_of_time = "time budget";

/// Collective over the world, in the form in which the step runs it: in place or not. Isolated
/// latency: every sample is one operation after a barrier, the maximum over ranks; send_recv is
/// half a round trip between neighbours, the slowest of the ring. Throughput: the mean of
/// operations back to back, the maximum over ranks; send_recv sends and receives at once. Both over
/// several communicators of the same ranks, whose medians' spread is recorded; the first operation
/// of each is not counted, nor are samples that were slow for being early; what a rank lacks the
/// memory for, or fails at the first operation, is refused. So is what `limits.left` does not allow
/// a first sample of (`out_of_time`); where it ends later, the record lacks its optional parts. All
/// communicators share two buffers of the key's bytes. The result is checked on known values:
/// `wrong` elements of all ranks.
[[nodiscard]] CollectiveResult probe_collective(const CollectivePlace& place,
                                                const PlannedCollective& planned,
                                                const ProbeGroups& groups,
                                                const ProbeLimits& limits,
                                                ProbeDepth depth = ProbeDepth::priced);

/// The parts that `record` lacks for want of time, from an `earlier` one of its key.
void complete(CollectiveRecord& record, const CollectiveRecord& earlier);

}  // namespace forerun
