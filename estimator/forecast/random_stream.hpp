// Random numbers as a function of (seed, sample, input): the same on any number of ranks.
#pragma once

#include <array>
#include <cstdint>

namespace forerun {

/// Philox 4x32 with 10 rounds: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
[[nodiscard]] std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key);

/// Two independent numbers, uniform in the open interval (0, 1), of one sample.
[[nodiscard]] std::array<double, 2> uniform_pair(std::uint64_t seed,
                                                 std::uint64_t sample,
                                                 std::uint32_t pair);

}  // namespace forerun
