// The exponential and what is made of it, written so that a compiler can vectorise loops over it.
#pragma once

#include <bit>
#include <cstdint>

#include "units/multiversion.hpp"

namespace forerun::host {

/// exp(x) in fp32 to about 2e-7 relative, by Cephes' expf (S. Moshier, netlib.org/cephes): x = n
/// ln2
/// + r, a degree-6 polynomial in r, times 2^n. Arguments beyond +-87.3 are clamped, so that results
/// stay finite and normal: 1.2e-38 to 8.3e37.
FORERUN_INLINE float fast_exp(float x) {
  constexpr float limit = 87.3F;
  constexpr float log2_e = 1.44269504088896341F;
  // ln2 in two parts: products with the first are exact for |n| < 2^15.
  constexpr float ln2_high = 0.693359375F;
  constexpr float ln2_low = -2.12194440e-4F;
  // Adding and subtracting 1.5 * 2^23 rounds to the nearest whole number.
  constexpr float rounder = 12582912.0F;
  x = x < -limit ? -limit : x;
  x = x > limit ? limit : x;
  const float n = (x * log2_e + rounder) - rounder;
  const float r = (x - n * ln2_high) - n * ln2_low;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  const auto exponent = static_cast<std::uint32_t>(static_cast<std::int32_t>(n) + 127) << 23U;
  return p * std::bit_cast<float>(exponent);
}

/// exp(x) for x <= 0 that is exactly 0 where fp32 would leave the normal range (masked scores).
FORERUN_INLINE float fast_exp_or_zero(float x) {
  return x < -87.0F ? 0.0F : fast_exp(x);
}

FORERUN_INLINE float fast_sigmoid(float x) {
  return 1.0F / (1.0F + fast_exp(-x));
}

/// log(1 + exp(x)), relative error about 2e-7: max(x, 0) + log(1 + u) with u = exp(-|x|), and with
/// t = u / (2 + u) <= 1/3 log(1 + u) = 2 (t + t^3 / 3 + t^5 / 5 + ...), eight terms.
FORERUN_INLINE float fast_softplus(float x) {
  const float positive = x > 0.0F ? x : 0.0F;
  const float u = fast_exp(x > 0.0F ? -x : x);
  const float t = u / (2.0F + u);
  const float square = t * t;
  float series = 1.0F / 15.0F;
  series = series * square + 1.0F / 13.0F;
  series = series * square + 1.0F / 11.0F;
  series = series * square + 1.0F / 9.0F;
  series = series * square + 1.0F / 7.0F;
  series = series * square + 1.0F / 5.0F;
  series = series * square + 1.0F / 3.0F;
  series = series * square + 1.0F;
  return positive + 2.0F * t * series;
}

/// tanh by exp; absolute error about 1e-7, which suffices where 1 + tanh is what is used.
FORERUN_INLINE float fast_tanh(float x) {
  return 1.0F - 2.0F / (fast_exp(2.0F * x) + 1.0F);
}

/// tanh to about 3e-7 relative, for small arguments too: Cephes' tanhf, a polynomial below 0.625.
FORERUN_INLINE float relative_tanh(float x) {
  const float square = x * x;
  float p = -5.70498872745e-3F;
  p = p * square + 2.06390887954e-2F;
  p = p * square - 5.37397155531e-2F;
  p = p * square + 1.33314422036e-1F;
  p = p * square - 3.33332819422e-1F;
  p = p * square * x + x;
  return square < 0.625F * 0.625F ? p : fast_tanh(x);
}

}  // namespace forerun::host
