#include "estimator/profile/size_curve.hpp"

#include <algorithm>
#include <cmath>

namespace forerun {
namespace {

std::vector<SizePoint> sorted_and_merged(std::vector<SizePoint> points) {
  std::ranges::sort(points);
  std::vector<SizePoint> merged;
  for (std::size_t first = 0; first < points.size();) {
    std::size_t last = first;
    double sum = 0.0;
    while (last < points.size() && points[last].log_bytes == points[first].log_bytes) {
      sum += points[last++].log_seconds;
    }
    merged.push_back({points[first].log_bytes, sum / static_cast<double>(last - first)});
    first = last;
  }
  return merged;
}

double latency_of(std::span<const SizePoint> points, const std::optional<SizeLaw>& law) {
  const double least = std::exp(std::ranges::min(points, {}, &SizePoint::log_seconds).log_seconds);
  constexpr double most = 0.95;
  if (law && law->latency_s > 0.0) {
    return std::min(law->latency_s, most * least);
  }
  // No published table has a curve that half or twice of it would change.
  constexpr double small_message = 65536.0;
  return points.front().log_bytes < std::log(small_message) ? 0.5 * least : 0.0;
}

}  // namespace

double interpolated(std::span<const SizePoint> points, double log_bytes) {
  const auto above = std::ranges::lower_bound(points, log_bytes, {}, &SizePoint::log_bytes);
  if (above == points.end()) {
    return points.back().log_seconds;
  }
  if (above == points.begin() || above->log_bytes == log_bytes) {
    return above->log_seconds;
  }
  const SizePoint& below = *std::prev(above);
  const double share = (log_bytes - below.log_bytes) / (above->log_bytes - below.log_bytes);
  return below.log_seconds + share * (above->log_seconds - below.log_seconds);
}

SizeCurve::SizeCurve(std::vector<SizePoint> points)
    : points_(sorted_and_merged(std::move(points))), law_(fit_size_law(points_)) {
  latency_s_ = latency_of(points_, law_);
}

bool SizeCurve::covers(double log_bytes) const {
  return points_.front().log_bytes <= log_bytes && log_bytes <= points_.back().log_bytes;
}

bool SizeCurve::serves(double log_bytes) const {
  const double below = std::log(law_ ? 4.0 : 2.0);
  const double above = std::log(law_ ? 16.0 : 2.0);
  constexpr double rounding = 0.01;
  return points_.front().log_bytes - below - rounding <= log_bytes &&
         log_bytes <= points_.back().log_bytes + above + rounding;
}

double SizeCurve::at(double log_bytes) const {
  if (covers(log_bytes)) {
    return interpolated(points_, log_bytes);
  }
  if (law_) {
    return law_->log_seconds(log_bytes) + residual(log_bytes);
  }
  const SizePoint& first = points_.front();
  if (log_bytes < first.log_bytes) {
    // All but the latency shrinks with the bytes.
    const double share = std::exp(log_bytes - first.log_bytes);
    return std::log(latency_s_ + share * (std::exp(first.log_seconds) - latency_s_));
  }
  return points_.back().log_seconds + log_bytes - points_.back().log_bytes;
}

double SizeCurve::residual(double log_bytes) const {
  if (!law_) {
    return 0.0;
  }
  const double inside = std::clamp(log_bytes, points_.front().log_bytes, points_.back().log_bytes);
  return interpolated(points_, inside) - law_->log_seconds(inside);
}

}  // namespace forerun
