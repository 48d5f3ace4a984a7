// Whole-number divisions that do not round down, and whole numbers as real ones.
#pragma once

#include <concepts>
#include <cstdint>

namespace forerun {

/// a / b rounded up, for a >= 0 and b > 0.
template <std::integral Integer>
[[nodiscard]] constexpr Integer ceil_div(Integer a, Integer b) {
  return (a + b - 1) / b;
}

/// The smallest multiple of `step` that is not below `value`.
template <std::integral Integer>
[[nodiscard]] constexpr Integer rounded_up(Integer value, Integer step) {
  return ceil_div(value, step) * step;
}

[[nodiscard]] constexpr double real(std::int64_t n) {
  return static_cast<double>(n);
}

}  // namespace forerun
