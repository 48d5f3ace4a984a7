// Ranks that compute slower than the others: a step waits for them, and somebody should look.
#pragma once

#include <string>
#include <vector>

#include "estimator/profile/profile.hpp"

namespace forerun {

/// One sentence for each rank whose kernels take more than 1.2 times as long as those of the middle
/// rank, as the median over kernels: "rank 3 on node2 is 10.1 times slower ...". Kernels under 10
/// us are left out; empty with fewer than two ranks or three kernels.
[[nodiscard]] std::vector<std::string> slow_ranks(const std::vector<KernelRecord>& kernels,
                                                  const std::vector<std::string>& hosts);

}  // namespace forerun
