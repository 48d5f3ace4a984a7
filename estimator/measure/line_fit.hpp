// A straight line through points, with 95 % intervals.
#pragma once

#include <span>

namespace forerun {

struct LinePoint {
  double x = 0.0;
  double y = 0.0;
};

/// y = intercept + slope x by least squares; half-widths of 95 % intervals from Student's t with
/// n - 2 degrees of freedom.
struct LineFit {
  double intercept = 0.0;
  double slope = 0.0;
  double intercept_half_width = 0.0;
  double slope_half_width = 0.0;
};

/// Needs three points of at least two different x. Throws std::invalid_argument otherwise.
[[nodiscard]] LineFit fit_line(std::span<const LinePoint> points);

/// |t| below which Student's t of so many degrees of freedom (at least 1) lies with probability
/// `share`, at most 0.95.
[[nodiscard]] double student_t(double share, int degrees);

}  // namespace forerun
