#include "estimator/profile/collective_curves.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "estimator/profile/gap_filling.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Neighbours at most this far apart are joined by a straight line: powers of two.
const double widest_step = std::log(2.0) + 1e-9;

// Every `n`th of the points, so that about `count` remain.
std::vector<SizePoint> sample_of(std::span<const SizePoint> points, std::size_t count) {
  std::vector<SizePoint> sample;
  const std::size_t stride = std::max<std::size_t>(1, points.size() / count);
  for (std::size_t i = 0; i < points.size(); i += stride) {
    sample.push_back(points[i]);
  }
  return sample;
}

bool has_wide_gap(const SizeCurve& curve, double log_bytes) {
  const auto points = curve.points();
  const auto above = std::ranges::lower_bound(points, log_bytes, {}, &SizePoint::log_bytes);
  if (above == points.end() || above == points.begin() || above->log_bytes == log_bytes) {
    return false;
  }
  return above->log_bytes - std::prev(above)->log_bytes > widest_step;
}

// Mean error of a straight line between the neighbours of points that are left out.
std::optional<double> line_error(const SizeCurve& curve) {
  const auto points = curve.points();
  constexpr std::size_t most = 64;
  const std::size_t stride = std::max<std::size_t>(1, points.size() / most);
  double sum = 0.0;
  double count = 0.0;
  for (std::size_t i = 1; i + 1 < points.size(); i += stride) {
    const std::array<SizePoint, 2> beside{points[i - 1], points[i + 1]};
    sum += std::abs(std::expm1(interpolated(beside, points[i].log_bytes) - points[i].log_seconds));
    count += 1.0;
  }
  return count > 0.0 ? std::optional<double>(sum / count) : std::nullopt;
}

double law_error(const SizeCurve& curve) {
  constexpr std::size_t most = 64;
  double sum = 0.0;
  const auto sample = sample_of(curve.points(), most);
  for (const SizePoint& point : sample) {
    sum += std::abs(std::expm1(curve.residual(point.log_bytes)));
  }
  return sum / static_cast<double>(sample.size());
}

// Mean error of a whole curve left out on the published tables, where no other tells it
// (`forerun validate --collectives`).
constexpr double usual_transfer_error = 0.15;

// Of a law from one or two sizes far away, of which an order of magnitude is all that is known.
constexpr double unknown = 1.0;

double transfer_error_of(const CurveMap& curves) {
  constexpr std::size_t sizes = 8;
  double sum = 0.0;
  double count = 0.0;
  for (const auto& [id, curve] : curves) {
    for (const SizePoint& point : sample_of(curve.points(), sizes)) {
      if (const auto guess = transferred(id, point.log_bytes, curves)) {
        sum += std::abs(std::expm1(*guess - point.log_seconds));
        count += 1.0;
      }
    }
  }
  return count > 0.0 ? sum / count : usual_transfer_error;
}

}  // namespace

double log_bytes_of(const CollectiveKey& key) {
  return std::log(static_cast<double>(std::max<std::int64_t>(1, key.bytes)));
}

SizePoint size_point(const CollectiveRecord& record) {
  return {log_bytes_of(record.key), std::log(record.timing.median.in(unit::second))};
}

CollectiveCurves::CollectiveCurves(std::span<const CollectiveRecord> records) {
  std::map<CurveId, std::vector<SizePoint>> points;
  for (const CollectiveRecord& record : records) {
    if (record.key.group.ranks > 1) {
      points[curve_of(record.key)].push_back(size_point(record));
    }
  }
  for (auto& [id, sizes] : points) {
    curves_.emplace(id, SizeCurve(std::move(sizes)));
  }
  transfer_error_ = transfer_error_of(curves_);
}

CollectiveCurves::CollectiveCurves(CurveMap curves, double transfer_error)
    : curves_(std::move(curves)), transfer_error_(transfer_error) {}

CollectiveCurves CollectiveCurves::without(const CurveId& id) const {
  CurveMap curves = curves_;
  curves.erase(id);
  const double error = transfer_error_of(curves);
  return {std::move(curves), error};
}

CollectiveCurves CollectiveCurves::with(const CurveId& id, std::vector<SizePoint> points) const {
  CurveMap curves = curves_;
  curves.insert_or_assign(id, SizeCurve(std::move(points)));
  return {std::move(curves), transfer_error_};
}

Price CollectiveCurves::own_price(const CurveId& id,
                                  const SizeCurve& curve,
                                  double log_bytes) const {
  const bool is_inside = curve.covers(log_bytes);
  const bool is_filled =
      is_inside ? has_wide_gap(curve, log_bytes) : curve.serves(log_bytes) || !curve.law();
  const double log_seconds =
      is_filled ? filled_gap(id, curve, log_bytes, curves_) : curve.at(log_bytes);
  const Seconds time = std::exp(log_seconds) * unit::second;
  if (is_inside) {
    return {time, Tier::interpolated, line_error(curve).value_or(usual_transfer_error)};
  }
  if (curve.law()) {
    return {time, Tier::fitted, law_error(curve)};
  }
  return {time, Tier::fitted, curve.serves(log_bytes) ? usual_transfer_error : unknown};
}

Seconds CollectiveCurves::least_time(const CollectiveKey& key) const {
  const double log_bytes = log_bytes_of(key);
  Seconds least;
  for (const auto& [other, curve] : curves_) {
    const GroupShape& group = other.group;
    const bool is_smaller =
        group.ranks < key.group.ranks &&
        group.ranks_per_node >= std::min(group.ranks, key.group.ranks_per_node) &&
        group.concurrent <= key.group.concurrent;
    if (is_smaller && other.op == key.op && other.type == key.type && curve.serves(log_bytes)) {
      least = std::max(least, std::exp(curve.at(log_bytes)) * unit::second);
    }
  }
  return least;
}

std::optional<Price> CollectiveCurves::price(const CollectiveKey& key) const {
  const CurveId id = curve_of(key);
  const double log_bytes = log_bytes_of(key);
  if (const auto own = curves_.find(id); own != curves_.end()) {
    return own_price(id, own->second, log_bytes);
  }
  const auto guess = transferred(id, log_bytes, curves_);
  if (!guess) {
    return std::nullopt;
  }
  return Price{
      std::max(std::exp(*guess) * unit::second, least_time(key)), Tier::fitted, transfer_error_};
}

}  // namespace forerun
