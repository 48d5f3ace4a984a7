#include "estimator/measure/collective_sizes.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "units/unit.hpp"

namespace forerun {
namespace {

// A quarter of an octave: what log-log interpolation bridges even across a change of protocol.
const double narrowest_gap = std::pow(2.0, 0.25);

bool bends(const MeasuredSize& below,
           const MeasuredSize& at,
           const MeasuredSize& above,
           double tolerance) {
  const auto log_bytes = [](const MeasuredSize& point) {
    return std::log(static_cast<double>(point.bytes));
  };
  const auto log_time = [](const MeasuredSize& point) {
    return std::log(point.median.in(unit::second));
  };
  const double share = (log_bytes(at) - log_bytes(below)) / (log_bytes(above) - log_bytes(below));
  const double line = log_time(below) + share * (log_time(above) - log_time(below));
  const double noise = at.half_width / at.median +
                       (1.0 - share) * (below.half_width / below.median) +
                       share * (above.half_width / above.median);
  return std::abs(log_time(at) - line) > std::max(tolerance, noise);
}

}  // namespace

std::int64_t whole_granules(std::int64_t bytes, std::int64_t granule) {
  return std::max<std::int64_t>(bytes / granule, 1) * granule;
}

std::vector<std::int64_t> powers_of_two(std::int64_t smallest,
                                        std::int64_t largest,
                                        std::int64_t granule) {
  std::vector<std::int64_t> sizes;
  const auto first = std::bit_ceil(static_cast<std::uint64_t>(std::max<std::int64_t>(smallest, 1)));
  for (auto bytes = static_cast<std::int64_t>(first); bytes <= largest; bytes *= 2) {
    const std::int64_t size = whole_granules(bytes, granule);
    if (sizes.empty() || sizes.back() < size) {
      sizes.push_back(size);
    }
  }
  return sizes;
}

std::vector<std::int64_t> sizes_to_refine(std::span<const MeasuredSize> points,
                                          double tolerance,
                                          std::int64_t granule) {
  std::set<std::int64_t> sizes;
  const auto halve = [&](const MeasuredSize& below, const MeasuredSize& above) {
    const double ratio = static_cast<double>(above.bytes) / static_cast<double>(below.bytes);
    if (ratio <= narrowest_gap) {
      return;
    }
    const double middle = static_cast<double>(below.bytes) * std::sqrt(ratio);
    const std::int64_t size = whole_granules(static_cast<std::int64_t>(middle), granule);
    if (size > below.bytes && size < above.bytes) {
      sizes.insert(size);
    }
  };
  for (std::size_t i = 1; i + 1 < points.size(); ++i) {
    if (bends(points[i - 1], points[i], points[i + 1], tolerance)) {
      halve(points[i - 1], points[i]);
      halve(points[i], points[i + 1]);
    }
  }
  return {sizes.begin(), sizes.end()};
}

}  // namespace forerun
