#include "topologies/median.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace forerun {

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) {
    return *middle;
  }
  return 0.5 * (*middle + *std::max_element(values.begin(), middle));
}

double upper_median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

double robust_deviation(const std::vector<double>& values, double centre) {
  if (values.empty()) {
    return 0.0;
  }
  std::vector<double> deviations;
  deviations.reserve(values.size());
  for (const double value : values) {
    deviations.push_back(std::abs(value - centre));
  }
  return 1.4826 * median_of(std::move(deviations));
}

}  // namespace forerun
