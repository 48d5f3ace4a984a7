// bfloat16 is the upper half of a float: widening is a shift, narrowing a rounding.
#include "comm/mpi/bf16_reduction.hpp"

#include <bit>
#include <cmath>
#include <cstddef>

namespace forerun {

float float_from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

// Without branches, so that compilers turn loops of it into vector code.
std::uint16_t bf16_from_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  // Half of the last kept place, less one if that place is even: ties go to even.
  const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U;
  // Rounding could carry a NaN's mantissa into infinity: keep it quiet instead.
  const std::uint32_t quiet = (bits >> 16U) | 0x40U;
  const bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
  return static_cast<std::uint16_t>(is_nan ? quiet : rounded);
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
