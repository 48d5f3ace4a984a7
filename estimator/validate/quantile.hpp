// A quantile of errors.
#pragma once

#include <vector>

namespace forerun {

/// By rank: the least value at or below which the share of them lies; 0 of none.
[[nodiscard]] double quantile_by_rank(std::vector<double> values, double share);

}  // namespace forerun
