// Element-wise sum and maximum of bfloat16 arrays, in float arithmetic: what MPI has no type for.
#pragma once

#include <cstdint>
#include <span>

namespace forerun {

/// `into[i] += from[i]`, added as float and rounded to the nearest bfloat16, ties to even. NaN
/// stays NaN. Elements are bfloat16 bit patterns; the spans have one length.
void add_bf16(std::span<const std::uint16_t> from, std::span<std::uint16_t> into);

/// `into[i] = max(into[i], from[i])`; NaN if either is.
void max_bf16(std::span<const std::uint16_t> from, std::span<std::uint16_t> into);

}  // namespace forerun
