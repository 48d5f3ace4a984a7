// What anyone could predict without a model of the machine: the floor that estimates must beat.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "estimator/estimate/estimate.hpp"

namespace forerun {

/// A run in the terms of the baselines.
struct StepFeatures {
  double flop_seconds = 0.0;  ///< executed FLOP of a device, recomputation included, at its peak
  double bubble = 0.0;        ///< (p - 1) / (v m)
  /// Of one device and step: layers and head at peak; collectives of the tensor group within and
  /// between nodes, of the data group, messages of the pipeline, at link bandwidth; thousands of
  /// layer passes; optimizer traffic at memory bandwidth. Seconds, but for the layer passes.
  std::array<double, 8> terms{};
  double parameters = 0.0;  ///< tells model sizes apart
};

/// Nothing where the device has no peak for the job's format.
[[nodiscard]] std::optional<StepFeatures> features_of(const JobEstimate& estimate);

struct Observation {
  StepFeatures features;
  double published_s = 0.0;
};

/// Mean absolute relative errors over the same observations.
struct BaselineErrors {
  double constant_hfu = 0.0;         ///< one utilisation for all, the best of all for this mean
  double constant_hfu_bubble = 0.0;  ///< the same, times 1 + (p - 1) / (v m)
  /// Eight terms by nonnegative least squares of the relative error, each model size predicted from
  /// the others; nothing with one size only.
  std::optional<double> linear_leave_one_size_out;
};

[[nodiscard]] BaselineErrors baseline_errors(const std::vector<Observation>& observations);

}  // namespace forerun
