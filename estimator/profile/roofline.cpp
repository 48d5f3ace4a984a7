#include "estimator/profile/roofline.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <Eigen/Dense>

namespace forerun {
namespace {

using Vector = Eigen::Vector3d;

constexpr std::size_t least_points = 4;
constexpr std::size_t most_points = 2048;  // three parameters do not need more
constexpr double huber = 0.1;  // half or twice of it: 0.02 points of error on public timings

// Logarithms of launch time, FLOP rate and byte rate.
Roofline from(const Vector& logs, Limits limits) {
  return {std::exp(logs[0]),
          limits == Limits::bytes ? std::numeric_limits<double>::infinity() : std::exp(logs[1]),
          std::exp(logs[2])};
}

// No kernel is faster than its launch, none beats the fastest that was seen.
Vector first_guess(std::span<const Work> points) {
  double least = std::numeric_limits<double>::infinity();
  double flop_rate = 0.0;
  double byte_rate = 0.0;
  for (const Work& point : points) {
    least = std::min(least, point.seconds);
    flop_rate = std::max(flop_rate, point.flop / point.seconds);
    byte_rate = std::max(byte_rate, point.bytes / point.seconds);
  }
  constexpr double tiny = 1.0;  // kernels without FLOP: any finite logarithm
  return {std::log(0.5 * least), std::log(std::max(flop_rate, tiny)), std::log(byte_rate)};
}

double residual(const Work& point, const Roofline& roofline) {
  return std::log(roofline.seconds(point.flop, point.bytes) / point.seconds);
}

double huber_loss(double error) {
  const double size = std::abs(error);
  return size <= huber ? 0.5 * size * size : huber * (size - 0.5 * huber);
}

class RooflineFit {
 public:
  RooflineFit(std::vector<Work> points, Limits limits)
      : points_(std::move(points)), limits_(limits), start_(first_guess(points_)) {}

  Roofline run() {
    constexpr int most_steps = 200;
    constexpr double damping_grows = 4.0;
    Vector logs = start_;
    double damping = 1e-2;
    double best = loss(logs);
    for (int step = 0; step < most_steps && damping < 1e8; ++step) {
      const Vector candidate = logs + next(logs, damping);
      const double found = loss(candidate);
      if (found < best) {
        const bool has_settled = best - found < 1e-10 * best;
        best = found;
        logs = candidate;
        damping /= damping_grows;
        if (has_settled) {
          break;
        }
      } else {
        damping *= damping_grows;
      }
    }
    return from(logs, limits_);
  }

 private:
  // A parameter that the points say nothing about stays where it started.
  static constexpr double pull = 1e-7;

  [[nodiscard]] double loss(const Vector& logs) const {
    const Roofline roofline = from(logs, limits_);
    double sum = 0.0;
    for (const Work& point : points_) {
      sum += huber_loss(residual(point, roofline));
    }
    return sum / static_cast<double>(points_.size()) + 0.5 * pull * (logs - start_).squaredNorm();
  }

  [[nodiscard]] Vector next(const Vector& logs, double damping) const {
    constexpr double step = 1e-5;
    const Roofline here = from(logs, limits_);
    std::array<Roofline, 3> moved;
    for (int i = 0; i < 3; ++i) {
      Vector other = logs;
      other[i] += step;
      moved[static_cast<std::size_t>(i)] = from(other, limits_);
    }
    Eigen::Matrix3d curvature = Eigen::Matrix3d::Identity() * pull;
    Vector slope = pull * (logs - start_);
    const double share = 1.0 / static_cast<double>(points_.size());
    for (const Work& point : points_) {
      const double error = residual(point, here);
      const double weight = share * (std::abs(error) <= huber ? 1.0 : huber / std::abs(error));
      Vector gradient;
      for (int i = 0; i < 3; ++i) {
        gradient[i] = (residual(point, moved[static_cast<std::size_t>(i)]) - error) / step;
      }
      curvature += weight * gradient * gradient.transpose();
      slope += weight * error * gradient;
    }
    curvature.diagonal() *= 1.0 + damping;
    return -curvature.ldlt().solve(slope);
  }

  std::vector<Work> points_;
  Limits limits_;
  Vector start_;
};

std::vector<Work> thinned(std::span<const Work> points) {
  const std::size_t stride = (points.size() + most_points - 1) / most_points;
  std::vector<Work> kept;
  for (std::size_t i = 0; i < points.size(); i += stride) {
    kept.push_back(points[i]);
  }
  return kept;
}

}  // namespace

double Roofline::seconds(double flop, double bytes) const {
  const double compute = flop / flop_per_s;
  const double memory = bytes / byte_per_s;
  const double compute_square = compute * compute;
  const double memory_square = memory * memory;
  return launch_s +
         std::sqrt(std::sqrt(compute_square * compute_square + memory_square * memory_square));
}

std::optional<Roofline> fit_roofline(std::span<const Work> points, Limits limits) {
  if (points.size() < least_points) {
    return std::nullopt;
  }
  return RooflineFit(thinned(points), limits).run();
}

}  // namespace forerun
