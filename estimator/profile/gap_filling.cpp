#include "estimator/profile/gap_filling.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace forerun {
namespace {

using Points = std::vector<SizePoint>;

// Points further away tell nothing of a gap, and cost time.
constexpr std::size_t window = 24;

Points nearest_points(const SizeCurve& curve, double log_bytes) {
  Points points(curve.points().begin(), curve.points().end());
  if (points.size() > window) {
    const auto distance = [&](const SizePoint& point) {
      return std::abs(point.log_bytes - log_bytes);
    };
    std::ranges::nth_element(
        points, points.begin() + static_cast<std::ptrdiff_t>(window), {}, distance);
    points.resize(window);
    std::ranges::sort(points);
  }
  return points;
}

// The shape at `log_bytes`, and what the points have beyond it there.
template <typename Shape>
double laid_through(const Points& points, double log_bytes, Shape shape) {
  Points beyond = points;
  for (SizePoint& point : beyond) {
    point.log_seconds -= shape(point.log_bytes);
  }
  return shape(log_bytes) + interpolated(beyond, log_bytes);
}

std::optional<double> by_law(const Points& points, double log_bytes) {
  const auto law = fit_size_law(points);
  if (!law) {
    return std::nullopt;
  }
  return laid_through(points, log_bytes, [&](double x) { return law->log_seconds(x); });
}

// One curve with a gap, and the others of its machine.
class Gap {
 public:
  Gap(const CurveId& id, const CurveMap& curves) : id_(id), curves_(curves) {}

  [[nodiscard]] std::optional<double> by_transfer(const Points& points, double log_bytes) const;
  [[nodiscard]] std::optional<double> by_similar(const Points& points, double log_bytes) const;

 private:
  struct Similar {
    const SizeCurve* curve = nullptr;
    double weight = 0.0;
  };

  [[nodiscard]] std::vector<Similar> similar_to(const Points& points, const SizeLaw& law) const;

  const CurveId& id_;
  const CurveMap& curves_;
};

std::optional<double> Gap::by_transfer(const Points& points, double log_bytes) const {
  // Only the points beside the gap matter to what is interpolated.
  const auto above = std::ranges::lower_bound(points, log_bytes, {}, &SizePoint::log_bytes);
  Points beside;
  if (above != points.begin()) {
    beside.push_back(*std::prev(above));
  }
  if (above != points.end()) {
    beside.push_back(*above);
  }
  const auto there = transferred(id_, log_bytes, curves_);
  for (SizePoint& point : beside) {
    const auto known = transferred(id_, point.log_bytes, curves_);
    if (!known || !there) {
      return std::nullopt;
    }
    point.log_seconds -= *known;
  }
  return there ? std::optional<double>(*there + interpolated(beside, log_bytes)) : std::nullopt;
}

// The weight falls with the squared difference of the two residuals; 3 % are noise. Half or twice
// of any constant in this file moves the errors of `validate --collectives` by less than 0.1
// points.
std::vector<Gap::Similar> Gap::similar_to(const Points& points, const SizeLaw& law) const {
  constexpr double noise = 0.03;
  constexpr double least_distance = 0.3;
  constexpr std::size_t least_points = 5;
  std::vector<Similar> similar;
  double sum = 0.0;
  for (const auto& [other, curve] : curves_) {
    if (other == id_ || !curve.law() || curve.points().size() < least_points) {
      continue;
    }
    double squares = 0.0;
    for (const SizePoint& point : points) {
      const double own = point.log_seconds - law.log_seconds(point.log_bytes);
      const double difference = own - curve.residual(point.log_bytes);
      squares += difference * difference;
    }
    const double distance = least_distance + distance_between(id_, other);
    const double unlike = noise * noise + squares / static_cast<double>(points.size());
    similar.push_back({&curve, 1.0 / (unlike * distance * distance)});
    sum += similar.back().weight;
  }
  for (Similar& one : similar) {
    one.weight /= sum;
  }
  return similar;
}

std::optional<double> Gap::by_similar(const Points& points, double log_bytes) const {
  const auto law = fit_size_law(points);
  if (!law) {
    return std::nullopt;
  }
  const auto similar = similar_to(points, *law);
  if (similar.empty()) {
    return std::nullopt;
  }
  // Part of what the others leave unsaid is their own noise.
  constexpr double shared = 0.7;
  return laid_through(points, log_bytes, [&](double x) {
    double unsaid = 0.0;
    for (const Similar& one : similar) {
      unsaid += one.weight * one.curve->residual(x);
    }
    return law->log_seconds(x) + shared * unsaid;
  });
}

// Mean error of a shape at points that are left out in turn, those near the gap counting more;
// nothing where it gives none.
template <typename Guess>
std::optional<double> error_of(const Points& points, double log_bytes, Guess guess) {
  constexpr double reach = 2.0;  // e-folds of bytes
  double sum = 0.0;
  double weights = 0.0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    Points others = points;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    if (const auto guessed = guess(others, points[i].log_bytes)) {
      const double weight = std::exp(-std::abs(points[i].log_bytes - log_bytes) / reach);
      sum += weight * std::abs(*guessed - points[i].log_seconds);
      weights += weight;
    }
  }
  return weights > 0.0 ? std::optional<double>(sum / weights) : std::nullopt;
}

// The mean of several shapes. With too few points to leave one out all count the same.
class Blend {
 public:
  Blend(const Points& points, double log_bytes) : points_(points), log_bytes_(log_bytes) {}

  template <typename Guess>
  void add(Guess guess) {
    const auto value = guess(points_, log_bytes_);
    if (!value) {
      return;
    }
    constexpr std::size_t enough_points = 4;
    constexpr double least_error = 0.01;
    double weight = 1.0;
    if (points_.size() >= enough_points) {
      const auto error = error_of(points_, log_bytes_, guess);
      weight = error ? std::pow(*error + least_error, -3.0) : 0.0;
    }
    sum_ += weight * *value;
    weights_ += weight;
  }

  [[nodiscard]] std::optional<double> value() const {
    return weights_ > 0.0 ? std::optional<double>(sum_ / weights_) : std::nullopt;
  }

 private:
  const Points& points_;
  double log_bytes_ = 0.0;
  double sum_ = 0.0;
  double weights_ = 0.0;
};

}  // namespace

double filled_gap(const CurveId& id,
                  const SizeCurve& curve,
                  double log_bytes,
                  const CurveMap& curves) {
  const Gap gap(id, curves);
  const Points points = nearest_points(curve, log_bytes);
  Blend blend(points, log_bytes);
  blend.add(by_law);
  blend.add([&](const Points& known, double x) { return gap.by_transfer(known, x); });
  blend.add([&](const Points& known, double x) { return gap.by_similar(known, x); });
  return blend.value().value_or(curve.at(log_bytes));
}

}  // namespace forerun
