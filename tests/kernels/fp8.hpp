// The two 8-bit formats of FP8 training by their definition (Micikevicius et al., arXiv
// 2209.05433).
#pragma once

#include <cstdint>

#include "units/data_type.hpp"

namespace forerun {

/// The value of a code of `type` (fp8_e4m3 or fp8_e5m2); NaN and infinities included.
[[nodiscard]] double fp8_value(std::uint8_t code, DataType type);

/// The code of the nearest finite value, of two equally near the one with an even code; larger
/// magnitudes than the largest become the largest.
[[nodiscard]] std::uint8_t fp8_code(double value, DataType type);

}  // namespace forerun
