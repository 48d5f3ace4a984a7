#include "topologies/pair_distance.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "topologies/median.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct Turns {
  std::vector<double> values;
  std::vector<double> errors;

  [[nodiscard]] double median() const { return median_of(values); }

  [[nodiscard]] double error() const {
    const auto [least, most] = std::ranges::minmax(values);
    return std::max(median_of(errors), 0.5 * (most - least) / median());
  }
};

}  // namespace

std::vector<PairDistance> median_over_turns(const std::vector<PairDistance>& pairs) {
  constexpr auto byte_rate = unit::byte / unit::second;
  std::map<std::pair<std::int64_t, std::int64_t>, std::pair<Turns, Turns>> turns;
  for (const PairDistance& pair : pairs) {
    auto& [latency, bandwidth] = turns[{pair.first, pair.second}];
    latency.values.push_back(pair.latency.in(unit::second));
    latency.errors.push_back(pair.latency_error);
    bandwidth.values.push_back(pair.bandwidth.in(byte_rate));
    bandwidth.errors.push_back(pair.bandwidth_error);
  }
  std::vector<PairDistance> medians;
  medians.reserve(turns.size());
  for (const auto& [ranks, measured] : turns) {
    const auto& [latency, bandwidth] = measured;
    medians.push_back({ranks.first,
                       ranks.second,
                       latency.median() * unit::second,
                       bandwidth.median() * byte_rate,
                       latency.error(),
                       bandwidth.error()});
  }
  return medians;
}

}  // namespace forerun
