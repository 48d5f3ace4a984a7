#include "estimator/step/overlap.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr auto overlap_names = std::to_array<std::pair<OverlapCompute, std::string_view>>({
    {OverlapCompute::gemm, "gemm"},
    {OverlapCompute::attention, "attention"},
    {OverlapCompute::memory, "memory"},
});

// Both at their speeds until one ends; the other then goes on alone.
Beside at_speeds(Seconds collective, Seconds compute, const SharedSpeed& speed) {
  const Seconds compute_beside = compute / speed.compute;
  const Seconds done = compute_beside * speed.collective;
  if (done <= collective) {
    return {collective - done, compute_beside - compute};
  }
  const Seconds collective_beside = collective / speed.collective;
  return {Seconds(), collective_beside * (1.0 - speed.compute)};
}

double log_of(std::int64_t bytes) {
  return std::log(static_cast<double>(bytes));
}

}  // namespace

std::string_view name_of(OverlapCompute compute) {
  for (const auto& [value, name] : overlap_names) {
    if (value == compute) {
      return name;
    }
  }
  return {};
}

std::optional<OverlapCompute> overlap_compute_from(std::string_view name) {
  for (const auto& [value, known] : overlap_names) {
    if (known == name) {
      return value;
    }
  }
  return std::nullopt;
}

OverlapCompute overlap_compute_of(KernelOp op) {
  if (op == KernelOp::attention_forward || op == KernelOp::attention_backward) {
    return OverlapCompute::attention;
  }
  return is_matrix_work(op) ? OverlapCompute::gemm : OverlapCompute::memory;
}

SharedSpeed shared_speed(const OverlapPoint& point) {
  // What the collective still had to do when the computation ended, it did alone and at full speed.
  const Seconds left = std::max(Seconds(), point.both - point.compute_beside);
  const Seconds done = std::max(Seconds(), point.collective_alone - left);
  return {std::min(1.0, point.compute_alone / point.compute_beside),
          std::min(1.0, done / point.compute_beside)};
}

ComputeMix& ComputeMix::operator+=(const ComputeMix& other) {
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    seconds[i] += other.seconds[i];
  }
  return *this;
}

ComputeMix operator*(double count, ComputeMix mix) {
  for (Seconds& time : mix.seconds) {
    time *= count;
  }
  return mix;
}

Seconds total_of(const ComputeMix& mix) {
  return std::accumulate(mix.seconds.begin(), mix.seconds.end(), Seconds());
}

std::optional<SharedSpeed> shared_speed(const ComputeMix& mix,
                                        const OverlapPrices& prices,
                                        Collective op,
                                        std::int64_t bytes) {
  Seconds alone;
  Seconds slowed;
  Seconds progress;  // of the collective meanwhile
  for (std::size_t i = 0; prices && i < mix.seconds.size(); ++i) {
    const auto compute = static_cast<OverlapCompute>(i);
    const auto speed =
        mix.seconds[i] > Seconds() ? prices(compute, op, bytes) : std::optional<SharedSpeed>();
    if (speed) {
      alone += mix.seconds[i];
      slowed += mix.seconds[i] / speed->compute;
      progress += (mix.seconds[i] / speed->compute) * speed->collective;
    }
  }
  if (alone <= Seconds()) {
    return std::nullopt;
  }
  return SharedSpeed{alone / slowed, progress / slowed};
}

Beside beside(Seconds collective, Seconds compute, const std::optional<SharedSpeed>& speed) {
  if (collective <= Seconds()) {
    return {};
  }
  if (!speed) {
    const Seconds both = std::min(collective, compute * (1.0 + gpu_contention));
    return {collective - both, both * (gpu_contention / (1.0 + gpu_contention))};
  }
  // What was measured with both about equally long: a collective never costs more of its own length
  // than there, and at most taking turns where that is more. Else one that stands still would slow
  // all of a long computation by what is noise of the measurement.
  const Beside equal = at_speeds(1.0 * unit::second, 1.0 * unit::second, *speed);
  const double most = std::max(1.0, (equal.exposed + equal.contention).in(unit::second));
  Beside split = at_speeds(collective, compute, *speed);
  split.contention = std::min(split.contention, collective * most - split.exposed);
  return split;
}

Seconds time_together(Seconds compute, Seconds collective, const SharedSpeed& speed) {
  const Beside split = beside(collective, compute, speed);
  return compute + split.exposed + split.contention;
}

double gained_share(const std::optional<SharedSpeed>& speed) {
  if (!speed) {
    return 1.0;
  }
  constexpr double longer = 1e6;
  const Beside split = beside(1.0 * unit::second, longer * unit::second, speed);
  return std::max(0.0, 1.0 - (split.exposed + split.contention).in(unit::second));
}

std::optional<SharedSpeed> OverlapGrid::speed(OverlapCompute compute,
                                              Collective op,
                                              std::int64_t bytes) const {
  std::map<double, SharedSpeed> by_size;
  for (const OverlapPoint& point : points_) {
    if (point.compute == compute && point.op == op) {
      by_size[log_of(point.bytes)] = shared_speed(point);
    }
  }
  if (by_size.empty()) {
    return std::nullopt;
  }
  const double wanted = log_of(std::max<std::int64_t>(bytes, 1));
  const auto above = by_size.lower_bound(wanted);
  if (above == by_size.begin()) {
    return above->second;
  }
  const auto below = std::prev(above);
  if (above == by_size.end()) {
    return below->second;
  }
  const double share = (wanted - below->first) / (above->first - below->first);
  const auto between = [share](double low, double high) { return low + share * (high - low); };
  return SharedSpeed{between(below->second.compute, above->second.compute),
                     between(below->second.collective, above->second.collective)};
}

}  // namespace forerun
