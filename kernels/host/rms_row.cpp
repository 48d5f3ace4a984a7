// The arithmetic of RMSNorm on one run.
#include "kernels/host/rms_row.hpp"

#include <cmath>

#include "kernels/host/reductions.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

FORERUN_MULTIVERSION float weighted_dot(const RmsRow& row) {
  const float* x = row.x;
  const float* weight = row.weight;
  const float* dy = row.dy;
  float total = 0.0F;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < row.count; ++i) {
    total += dy[i] * weight[i] * x[i];
  }
  return total;
}

}  // namespace

float rms_rstd(const float* x, std::int64_t count, double epsilon) {
  const double mean = static_cast<double>(sum_of_squares(x, count)) / static_cast<double>(count);
  return static_cast<float>(1.0 / std::sqrt(mean + epsilon));
}

FORERUN_MULTIVERSION void rms_scale(
    const float* x, const float* weight, float rstd, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] = x[i] * rstd * weight[i];
  }
}

FORERUN_MULTIVERSION void rms_backward(const RmsRow& row, float* dx, float* d_weight) {
  const float* x = row.x;
  const float* weight = row.weight;
  const float* dy = row.dy;
  const float rstd = row.rstd;
  const float projection = weighted_dot(row) * rstd / static_cast<float>(row.count);
#pragma omp simd
  for (std::int64_t i = 0; i < row.count; ++i) {
    const float normed = x[i] * rstd;
    const float gradient = dy[i];
    dx[i] = rstd * (gradient * weight[i] - normed * projection);
    d_weight[i] += gradient * normed;
  }
}

}  // namespace forerun::host
