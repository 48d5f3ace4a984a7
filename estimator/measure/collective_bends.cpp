#include "estimator/measure/collective_bends.hpp"

#include <map>

#include "estimator/measure/collective_sizes.hpp"

namespace forerun {
namespace {

// Where a size is measured that its neighbours do not predict: twice the tolerance of a collective.
constexpr double bend_tolerance = 0.06;

// What two sizes of one curve share.
CollectiveKey curve_of(CollectiveKey key) {
  key.bytes = 0;
  return key;
}

}  // namespace

std::vector<PlannedCollective> collectives_to_refine(std::span<const PlannedCollective> planned,
                                                     std::span<const CollectiveRecord> measured) {
  std::map<CollectiveKey, std::map<std::int64_t, MeasuredSize>> curves;
  for (const CollectiveRecord& record : measured) {
    const Timing& timing = record.timing;
    curves[curve_of(record.key)][record.key.bytes] = {
        record.key.bytes, timing.median, 0.5 * (timing.high - timing.low)};
  }
  std::map<CollectiveKey, PlannedCollective> examples;
  for (const PlannedCollective& one : planned) {
    examples.emplace(curve_of(one.key), one);
  }
  std::vector<PlannedCollective> more;
  for (const auto& [key, example] : examples) {
    std::vector<MeasuredSize> points;
    for (const auto& [bytes, point] : curves[key]) {
      points.push_back(point);
    }
    constexpr std::int64_t widest_element = 4;
    for (const std::int64_t bytes :
         sizes_to_refine(points, bend_tolerance, widest_element * key.group.ranks)) {
      more.push_back(example);
      more.back().key.bytes = bytes;
    }
  }
  return more;
}

}  // namespace forerun
