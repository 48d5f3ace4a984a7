// Measured sizes of one collective over one group, and its time at any size.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "estimator/profile/size_law.hpp"

namespace forerun {

class SizeCurve {
 public:
  /// In any order; sizes that occur twice count as the mean of their logarithms. At least one.
  explicit SizeCurve(std::vector<SizePoint> points);

  [[nodiscard]] std::span<const SizePoint> points() const { return points_; }

  /// Nothing with fewer than three sizes.
  [[nodiscard]] const std::optional<SizeLaw>& law() const { return law_; }

  [[nodiscard]] bool covers(double log_bytes) const;

  /// Near enough to the measured sizes to tell of other groups: four times below, sixteen above; a
  /// curve of one or two sizes only within twice.
  [[nodiscard]] bool serves(double log_bytes) const;

  /// Logarithm of seconds: between measured sizes linear in log bytes; beyond them the law, scaled
  /// to meet the last point. Without a law constant below and proportional to the bytes above.
  [[nodiscard]] double at(double log_bytes) const;

  /// What the law leaves unsaid: log of measured over law, that of the nearest end beyond the ends;
  /// 0 without a law.
  [[nodiscard]] double residual(double log_bytes) const;

  /// Latency in seconds: the law's, at most 0.95 of the least time; where the law has none, half of
  /// the least time if that is of a message below 64 KiB.
  [[nodiscard]] double latency_s() const { return latency_s_; }

 private:
  std::vector<SizePoint> points_;
  std::optional<SizeLaw> law_;
  double latency_s_ = 0.0;
};

/// Linear between the points (sorted, at least one), constant beyond them.
[[nodiscard]] double interpolated(std::span<const SizePoint> points, double log_bytes);

}  // namespace forerun
