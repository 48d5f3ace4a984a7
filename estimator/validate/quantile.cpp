#include "estimator/validate/quantile.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace forerun {

double quantile_by_rank(std::vector<double> values, double share) {
  if (values.empty()) {
    return 0.0;
  }
  // Less than a rank: 0.9 * 10 may come out above 9.
  const double rank = std::ceil(share * static_cast<double>(values.size()) - 1e-9);
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(std::max(1.0, rank)) - 1];
}

}  // namespace forerun
