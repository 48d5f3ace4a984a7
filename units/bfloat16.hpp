// bfloat16 as it lies in memory: the upper half of an fp32.
#pragma once

#include <bit>
#include <cstdint>

namespace forerun {

/// Always inlined, so that it takes part in the vector variants of the loop that calls it.
[[gnu::always_inline]] inline float float_from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

/// Round to nearest, ties to even; a NaN stays a (quiet) NaN. Without branches, so that compilers
/// turn loops of it into vector code.
[[gnu::always_inline]] inline std::uint16_t bf16_from_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  // Half of the last kept place, less one if that place is even: ties go to even.
  const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U;
  // Rounding could carry a NaN's mantissa into infinity: keep it quiet instead.
  const std::uint32_t quiet_nan = (bits >> 16U) | 0x40U;
  const bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
  return static_cast<std::uint16_t>(is_nan ? quiet_nan : rounded);
}

}  // namespace forerun
