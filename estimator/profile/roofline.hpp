// A roofline with three parameters, fitted to measured times.
#pragma once

#include <optional>
#include <span>

#include "units/quantity.hpp"

namespace forerun {

/// What a kernel does and how long that took.
struct Work {
  double flop = 0.0;
  double bytes = 0.0;
  double seconds = 0.0;
};

/// launch + ((flop / flop rate)^4 + (bytes / byte rate)^4)^(1/4), modelling.md 10.5: the corner
/// where both limits meet is rounded.
struct Roofline {
  double launch_s = 0.0;
  double flop_per_s = 0.0;  ///< infinite where FLOP do not limit
  double byte_per_s = 0.0;

  [[nodiscard]] double seconds(double flop, double bytes) const;
};

/// Least squares of the logarithm of time, large errors counted linearly (Huber, 10 %), by
/// Levenberg and Marquardt over the logarithms of the parameters. `limits` says whether FLOP can
/// limit these kernels. Nothing for fewer than 4 points: three parameters would only repeat them.
enum class Limits { flop_and_bytes, bytes };
[[nodiscard]] std::optional<Roofline> fit_roofline(std::span<const Work> points, Limits limits);

}  // namespace forerun
