// A good hash of a counter: splitmix64 (Steele, Lea and Flood 2014).
#pragma once

#include <cstdint>

namespace forerun {

/// Added to the counter from one number to the next.
inline constexpr std::uint64_t splitmix_step = 0x9E3779B97F4A7C15ULL;

[[nodiscard]] constexpr std::uint64_t splitmix64(std::uint64_t counter) {
  std::uint64_t x = counter + splitmix_step;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

}  // namespace forerun
