#include "estimator/profile/size_law.hpp"

#include <array>
#include <cmath>
#include <vector>

#include <Eigen/Dense>

namespace forerun {
namespace {

using Terms = Eigen::Vector3d;

// 1, N and sqrt(N).
Terms terms_at(double log_bytes) {
  return {1.0, std::exp(log_bytes), std::exp(0.5 * log_bytes)};
}

// Sums over points of f f', f and 1, where f = terms / seconds: all that least squares of
// (f . x - 1) needs.
struct Sums {
  Eigen::Matrix3d products = Eigen::Matrix3d::Zero();
  Terms firsts = Terms::Zero();
  double points = 0.0;
};

Sums sums_of(std::span<const SizePoint> points) {
  Sums sums;
  for (const SizePoint& point : points) {
    const Terms scaled = terms_at(point.log_bytes) * std::exp(-point.log_seconds);
    sums.products += scaled * scaled.transpose();
    sums.firsts += scaled;
    sums.points += 1.0;
  }
  return sums;
}

// The best of those laws that have only the terms of `kept`; nothing if one would be negative.
std::optional<Terms> solved(const Sums& sums, const std::vector<int>& kept) {
  const auto size = static_cast<Eigen::Index>(kept.size());
  Eigen::MatrixXd products(size, size);
  Eigen::VectorXd firsts(size);
  Eigen::VectorXd scale(size);
  for (Eigen::Index i = 0; i < size; ++i) {
    const int row = kept[static_cast<std::size_t>(i)];
    scale(i) = 1.0 / std::sqrt(sums.products(row, row));
    firsts(i) = sums.firsts(row) * scale(i);
  }
  for (Eigen::Index i = 0; i < size; ++i) {
    for (Eigen::Index j = 0; j < size; ++j) {
      products(i, j) =
          sums.products(kept[static_cast<std::size_t>(i)], kept[static_cast<std::size_t>(j)]) *
          scale(i) * scale(j);
    }
  }
  const Eigen::LDLT<Eigen::MatrixXd> decomposed(products);
  constexpr double singular = 1e-12;
  if (decomposed.vectorD().minCoeff() < singular) {
    return std::nullopt;
  }
  const Eigen::VectorXd solution = decomposed.solve(firsts);
  Terms all = Terms::Zero();
  for (Eigen::Index i = 0; i < size; ++i) {
    all(kept[static_cast<std::size_t>(i)]) = solution(i) * scale(i);
  }
  return all.minCoeff() < 0.0 ? std::nullopt : std::optional<Terms>(all);
}

double squared_error(const Sums& sums, const Terms& law) {
  return law.dot(sums.products * law) - 2.0 * law.dot(sums.firsts) + sums.points;
}

}  // namespace

double SizeLaw::log_seconds(double log_bytes) const {
  return std::log(latency_s + seconds_per_byte * std::exp(log_bytes) +
                  seconds_per_root_byte * std::exp(0.5 * log_bytes));
}

std::optional<SizeLaw> fit_size_law(std::span<const SizePoint> points) {
  constexpr std::size_t least_points = 3;
  if (points.size() < least_points) {
    return std::nullopt;
  }
  static const std::array<std::vector<int>, 6> choices{
      {{0, 1, 2}, {0, 1}, {0, 2}, {1, 2}, {0}, {1}}};
  const Sums sums = sums_of(points);
  std::optional<SizeLaw> best;
  double least = 0.0;
  for (const std::vector<int>& kept : choices) {
    const auto law = solved(sums, kept);
    const double error = law ? squared_error(sums, *law) : 0.0;
    constexpr double clearly = 1e-9;
    if (law && (!best || error < least - clearly)) {
      best = SizeLaw{(*law)(0), (*law)(1), (*law)(2)};
      least = error;
    }
  }
  return best;
}

}  // namespace forerun
