// The element type of bf16 arrays in host kernels.
#pragma once

#include <cstdint>

#include "units/bfloat16.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {

struct Bf16 {
  std::uint16_t bits = 0;
};

FORERUN_INLINE float widened(Bf16 value) {
  return float_from_bf16(value.bits);
}

FORERUN_INLINE Bf16 narrowed(float value) {
  return Bf16{bf16_from_float(value)};
}

}  // namespace forerun::host
