// bfloat16 is the upper half of a float: widening is a shift, narrowing a rounding.
#include "comm/mpi/bf16_reduction.hpp"

#include <bit>
#include <cmath>
#include <cstddef>

namespace forerun {

float float_from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

std::uint16_t bf16_from_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) {
    // Rounding could carry a NaN's mantissa into infinity: keep it quiet instead.
    return static_cast<std::uint16_t>((bits >> 16U) | 0x40U);
  }
  // Half of the last kept place, less one if that place is even: ties go to even.
  const std::uint32_t rounding = 0x7fffU + ((bits >> 16U) & 1U);
  return static_cast<std::uint16_t>((bits + rounding) >> 16U);
}

void add_bf16(std::span<const std::uint16_t> from, std::span<std::uint16_t> into) {
  for (std::size_t i = 0; i < into.size(); ++i) {
    into[i] = bf16_from_float(float_from_bf16(into[i]) + float_from_bf16(from[i]));
  }
}

void max_bf16(std::span<const std::uint16_t> from, std::span<std::uint16_t> into) {
  for (std::size_t i = 0; i < into.size(); ++i) {
    const float candidate = float_from_bf16(from[i]);
    if (candidate > float_from_bf16(into[i]) || std::isnan(candidate)) {
      into[i] = from[i];
    }
  }
}

}  // namespace forerun
