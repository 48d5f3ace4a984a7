// bfloat16 as it lies in memory: the upper half of an fp32, rounded to nearest even.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/host/multiversion.hpp"

namespace forerun::host {

struct Bf16 {
  std::uint16_t bits = 0;
};

FORERUN_INLINE float widened(Bf16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16U);
}

/// Round to nearest, ties to even; a NaN stays a (quiet) NaN.
FORERUN_INLINE Bf16 narrowed(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U;
  const std::uint32_t quiet_nan = (bits >> 16U) | 0x40U;
  const bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
  return Bf16{static_cast<std::uint16_t>(is_nan ? quiet_nan : rounded)};
}

}  // namespace forerun::host
