// Weights in 4 bits, NF4 with double quantisation (Dettmers et al. 2023, QLoRA, arXiv 2305.14314,
// section 3 and appendix E): blocks of 64 weights share a constant, 256 such constants of 8 bits
// share one of 32.
#pragma once

#include <array>
#include <cstdint>

#include "units/integer.hpp"

namespace forerun {

/// The 16 levels, quantiles of a normal distribution with both ends at 1 and an exact 0.
inline constexpr std::array<float, 16> nf4_levels = {-1.0F,
                                                     -0.6961928009986877F,
                                                     -0.5250730514526367F,
                                                     -0.39491748809814453F,
                                                     -0.28444138169288635F,
                                                     -0.18477343022823334F,
                                                     -0.09105003625154495F,
                                                     0.0F,
                                                     0.07958029955625534F,
                                                     0.16093020141124725F,
                                                     0.24611230194568634F,
                                                     0.33791524171829224F,
                                                     0.44070982933044434F,
                                                     0.5626170039176941F,
                                                     0.7229568362236023F,
                                                     1.0F};

inline constexpr std::int64_t nf4_block = 64;   ///< weights
inline constexpr std::int64_t nf4_group = 256;  ///< blocks
inline constexpr float nf4_steps = 255.0F;      ///< a block's constant counts steps of the group's

[[nodiscard]] constexpr std::int64_t nf4_code_bytes(std::int64_t elements) {
  return ceil_div(elements, std::int64_t{2});
}

[[nodiscard]] constexpr std::int64_t nf4_blocks(std::int64_t elements) {
  return ceil_div(elements, nf4_block);
}

[[nodiscard]] constexpr std::int64_t nf4_groups(std::int64_t elements) {
  return ceil_div(nf4_blocks(elements), nf4_group);
}

/// Codes and constants: 4.127 bits a weight.
[[nodiscard]] constexpr std::int64_t nf4_bytes(std::int64_t elements) {
  return nf4_code_bytes(elements) + nf4_blocks(elements) + 4 * nf4_groups(elements);
}

}  // namespace forerun
