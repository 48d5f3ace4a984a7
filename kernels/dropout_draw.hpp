// Which elements a dropout keeps: a function of seed and index, the same on every device.
#pragma once

#include <cstdint>

namespace forerun {

/// SplitMix64's finaliser (Steele, Lea, Flood 2014) of seed and index, as a number in [0, 1).
[[nodiscard]] constexpr float dropout_draw(std::uint64_t seed, std::int64_t index) {
  std::uint64_t bits = seed + 0x9e3779b97f4a7c15U * (static_cast<std::uint64_t>(index) + 1U);
  bits = (bits ^ (bits >> 30U)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27U)) * 0x94d049bb133111ebU;
  bits ^= bits >> 31U;
  return static_cast<float>(bits >> 40U) * 0x1p-24F;
}

}  // namespace forerun
