#include "estimator/step/gradient_buckets.hpp"

#include <algorithm>
#include <cmath>

namespace forerun {

double bucket_count(double parameters, std::int64_t ranks) {
  return std::max(1.0, std::ceil(parameters / std::max(40e6, 1e6 * static_cast<double>(ranks))));
}

std::vector<FlatRange> flat_buckets(const FlatRange& whole,
                                    std::int64_t count,
                                    std::int64_t grain) {
  const std::int64_t grains = whole.elements / grain;
  const std::int64_t buckets = std::max<std::int64_t>(1, std::min(count, grains));
  std::vector<FlatRange> ranges;
  for (std::int64_t i = buckets - 1; i >= 0; --i) {
    const std::int64_t begin = grains * i / buckets;
    const std::int64_t end = grains * (i + 1) / buckets;
    ranges.push_back({whole.first + begin * grain, (end - begin) * grain});
  }
  return ranges;
}

}  // namespace forerun
