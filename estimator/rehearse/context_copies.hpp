// What the host moves while a rehearsal cuts attention over several ranks.
#pragma once

#include "jobs/job.hpp"

namespace forerun {

/// Numbers of fp32 that one rank's host reads and writes in a step to cut queries, keys and values
/// into pieces and to join the results, as `ContextAttention` does: a count of its copies, each a
/// read and a write. 0 without cp. A real framework cuts with kernels of its own, or not at all:
/// this is the rehearsal's price, not the job's.
[[nodiscard]] double context_copies(const Job& job);

}  // namespace forerun
