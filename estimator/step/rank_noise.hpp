// How far ranks that do the same work drift apart before something makes them wait for each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "units/quantity.hpp"

namespace forerun {

/// Groups of `ranks` that run the same kernels without waiting for one another are done, on
/// average, when `1 + excess` times the kernels' medians have passed: for one rank the long tail of
/// its times, for several the slowest of them as well. `work` is the sum of those medians.
struct NoisePoint {
  std::int64_t ranks = 1;
  Seconds work;
  double excess = 0.0;
  friend bool operator==(const NoisePoint&, const NoisePoint&) = default;
};

/// Times of a sequence of kernels that a rank repeated, one rank after the other.
using KernelTimes = std::vector<std::vector<Seconds>>;

/// From ranks that ran a sequence of `kernels` kernels over and over with nothing between them, all
/// at once and equally often (fixed work quanta, as benchmarks of operating systems' noise use
/// them). Of group sizes 1, 2, 4, ... and all ranks, neighbours together, and of work from one
/// kernel on in powers of two, while it fits four times into what was run. Needs two repetitions.
[[nodiscard]] std::vector<NoisePoint> noise_points(const KernelTimes& times, std::size_t kernels);

/// Of several pieces of one measurement, point by point. They hold the same groups and work.
[[nodiscard]] std::vector<NoisePoint> mean_of(const std::vector<std::vector<NoisePoint>>& pieces);

/// Looks points up.
class RankNoise {
 public:
  /// Points of each group size by rising work; empty: nothing is known, nothing ever waits.
  explicit RankNoise(std::vector<NoisePoint> points = {});

  /// Interpolated in the logarithm of the work and the number of ranks, as at the ends beyond them;
  /// with more ranks than were measured the wait grows with the root of the logarithm of their
  /// number (modelling.md, section 7).
  [[nodiscard]] double excess(Seconds work, std::int64_t ranks) const;

  /// How much longer `ranks` take than one, relative to the one: what those that are done wait.
  [[nodiscard]] double wait(Seconds work, std::int64_t ranks) const;

  [[nodiscard]] bool empty() const { return groups_.empty(); }

 private:
  struct Group {
    std::int64_t ranks;
    std::vector<NoisePoint> points;
  };

  [[nodiscard]] static double excess_of(const Group& group, Seconds work);

  std::vector<Group> groups_;  ///< by rising size
};

}  // namespace forerun
