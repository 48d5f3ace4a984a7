// Middle and width of a handful of numbers, whatever the outliers among them.
#pragma once

#include <vector>

namespace forerun {

/// The mean of the two middle ones for an even count. Needs at least one number.
[[nodiscard]] double median_of(std::vector<double> values);

/// The larger of the two middle ones for an even count. Needs at least one number.
[[nodiscard]] double upper_median_of(std::vector<double> values);

/// 1.4826 times the median absolute deviation from `centre`: the standard deviation, were they
/// normal. Zero for an empty list.
[[nodiscard]] double robust_deviation(const std::vector<double>& values, double centre);

}  // namespace forerun
