#include "estimator/measure/line_fit.hpp"

#include <cmath>
#include <stdexcept>

namespace forerun {
namespace {

// Share of |t| below `limit`: the density's integral by Simpson's rule in the angle atan(t /
// sqrt(n)), where it is cos^(n - 1) on a bounded interval.
double share_within(double limit, int degrees) {
  constexpr int pieces = 400;
  const double n = degrees;
  const auto integral = [&](double end) {
    const double step = end / pieces;
    double sum = 0.0;
    for (int i = 0; i <= pieces; ++i) {
      const double weight = i == 0 || i == pieces ? 1.0 : (i % 2 == 1 ? 4.0 : 2.0);
      sum += weight * std::pow(std::cos(i * step), n - 1.0);
    }
    return sum * step / 3.0;
  };
  return integral(std::atan(limit / std::sqrt(n))) / integral(std::acos(0.0));
}

}  // namespace

double student_t(double share, int degrees) {
  double low = 0.0;
  double high = 20.0;  // 12.7 at 95 % and one degree of freedom
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (share_within(middle, degrees) < share ? low : high) = middle;
  }
  return low;
}

LineFit fit_line(std::span<const LinePoint> points) {
  const auto n = static_cast<double>(points.size());
  double mean_x = 0.0;
  double mean_y = 0.0;
  for (const LinePoint& point : points) {
    mean_x += point.x / n;
    mean_y += point.y / n;
  }
  double xx = 0.0;
  double xy = 0.0;
  for (const LinePoint& point : points) {
    xx += (point.x - mean_x) * (point.x - mean_x);
    xy += (point.x - mean_x) * (point.y - mean_y);
  }
  if (points.size() < 3 || xx <= 0.0) {
    throw std::invalid_argument("a line with intervals needs three points at different places");
  }
  LineFit fit;
  fit.slope = xy / xx;
  fit.intercept = mean_y - fit.slope * mean_x;
  double squares = 0.0;
  for (const LinePoint& point : points) {
    const double residual = point.y - fit.intercept - fit.slope * point.x;
    squares += residual * residual;
  }
  const double t = student_t(0.95, static_cast<int>(points.size()) - 2);
  const double variance = squares / (n - 2.0);
  fit.slope_half_width = t * std::sqrt(variance / xx);
  fit.intercept_half_width = t * std::sqrt(variance * (1.0 / n + mean_x * mean_x / xx));
  return fit;
}

}  // namespace forerun
