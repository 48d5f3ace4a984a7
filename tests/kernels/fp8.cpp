#include "tests/kernels/fp8.hpp"

#include <cmath>
#include <limits>

namespace forerun {
namespace {

constexpr unsigned sign_bit = 0x80;

/// The largest code of a finite magnitude: 448 in e4m3, 57344 in e5m2.
unsigned last_finite(DataType type) {
  return type == DataType::fp8_e4m3 ? 0x7e : 0x7b;
}

double magnitude(unsigned code, DataType type) {
  const int fraction_bits = type == DataType::fp8_e4m3 ? 3 : 2;
  const int bias = type == DataType::fp8_e4m3 ? 7 : 15;
  const int exponent = static_cast<int>(code >> fraction_bits);
  const int fraction = static_cast<int>(code) - (exponent << fraction_bits);
  const int hidden = exponent == 0 ? 0 : 1 << fraction_bits;
  return std::ldexp(hidden + fraction, (exponent == 0 ? 1 : exponent) - bias - fraction_bits);
}

}  // namespace

double fp8_value(std::uint8_t code, DataType type) {
  const unsigned absolute = code & ~sign_bit;
  const double sign = (code & sign_bit) != 0 ? -1.0 : 1.0;
  if (absolute <= last_finite(type)) {
    return sign * magnitude(absolute, type);
  }
  const bool is_infinite = type == DataType::fp8_e5m2 && absolute == last_finite(type) + 1;
  return is_infinite ? sign * std::numeric_limits<double>::infinity()
                     : std::numeric_limits<double>::quiet_NaN();
}

std::uint8_t fp8_code(double value, DataType type) {
  const double wanted = std::abs(value);
  unsigned best = 0;
  for (unsigned code = 1; code <= last_finite(type); ++code) {
    const double closer =
        std::abs(magnitude(best, type) - wanted) - std::abs(magnitude(code, type) - wanted);
    if (closer > 0.0 || (closer == 0.0 && code % 2 == 0)) {
      best = code;
    }
  }
  return static_cast<std::uint8_t>(std::signbit(value) ? best | sign_bit : best);
}

}  // namespace forerun
