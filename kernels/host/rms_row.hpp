// RMSNorm of one run of floats: a row of the hidden state, or one head.
#pragma once

#include <cstdint>

namespace forerun::host {

/// 1 / sqrt(mean(x^2) + epsilon).
[[nodiscard]] float rms_rstd(const float* x, std::int64_t count, double epsilon);
/// y = x rstd weight; y may be x.
void rms_scale(const float* x, const float* weight, float rstd, float* y, std::int64_t count);

struct RmsRow {
  const float* x = nullptr;
  const float* weight = nullptr;
  const float* dy = nullptr;
  float rstd = 0.0F;
  std::int64_t count = 0;
};

/// With h = x rstd and g = dy w: dx = rstd (g - h mean(g h)), d_weight += dy h. dx may be dy.
void rms_backward(const RmsRow& row, float* dx, float* d_weight);

}  // namespace forerun::host
