// A device under load: before it is timed, and how much slower it then is than in a burst.
#pragma once

#include <atomic>
#include <optional>

#include "estimator/measure/measure.hpp"
#include "estimator/measure/operand_arena.hpp"

namespace forerun {

/// Runs the kernel until clocks and power are those of load: three runs and 100 ms at least
/// (modelling.md 10.1). A kernel that cannot run is left to its probe, which says why.
void warm_up_device(Device& device, OperandArena& arena, const KernelKey& key);

/// Bursts are over before heat counts; a training step is not. The largest product of the fastest
/// format in `profile`, run for seconds (at most a twentieth of `budget`): its time then over its
/// time in a burst, of the slowest rank, at least 1. Nothing without a product. Collective.
[[nodiscard]] std::optional<double> sustained_factor(const Machine& machine,
                                                     OperandArena& arena,
                                                     const Profile& profile,
                                                     Seconds budget,
                                                     const std::atomic<bool>* stop);

}  // namespace forerun
