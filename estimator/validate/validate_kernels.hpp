// How well kernels that were not measured are predicted from those that were.
#pragma once

#include <vector>

#include "estimator/validate/public_timings.hpp"
#include "estimator/validate/validation.hpp"

namespace forerun {

/// Every timing predicted from those of its table that belong to other families: leave one model
/// out, or one (n, k), or one attention shape. Groups: per table; Vidur's by whether m is a
/// multiple of 128 and at most 4096, and the sums of a layer's four products beside the products.
[[nodiscard]] Validation validate_kernels(const std::vector<PublicTiming>& timings);

}  // namespace forerun
