// The Philox counter-based generator.
#include "estimator/forecast/random_stream.hpp"

namespace forerun {

namespace {

std::uint32_t low_word(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}

std::uint32_t high_word(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32U);
}

/// The middle of one of 2^52 equal cells: never 0 or 1, exact in a double.
double open_uniform(std::uint32_t low, std::uint32_t high) {
  const std::uint64_t cell = ((std::uint64_t{high} << 32U) | low) >> 12U;
  return (static_cast<double>(cell) + 0.5) * 0x1p-52;
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) {
  // Multipliers and Weyl increments of the paper.
  constexpr std::uint64_t multiplier_0 = 0xD2511F53U;
  constexpr std::uint64_t multiplier_1 = 0xCD9E8D57U;
  constexpr std::uint32_t weyl_0 = 0x9E3779B9U;
  constexpr std::uint32_t weyl_1 = 0xBB67AE85U;
  constexpr int rounds = 10;
  for (int round = 0; round < rounds; ++round) {
    const std::uint64_t product_0 = multiplier_0 * counter[0];
    const std::uint64_t product_1 = multiplier_1 * counter[2];
    counter = {high_word(product_1) ^ counter[1] ^ key[0],
               low_word(product_1),
               high_word(product_0) ^ counter[3] ^ key[1],
               low_word(product_0)};
    key[0] += weyl_0;
    key[1] += weyl_1;
  }
  return counter;
}

std::array<double, 2> uniform_pair(std::uint64_t seed, std::uint64_t sample, std::uint32_t pair) {
  const auto words =
      philox({low_word(sample), high_word(sample), pair, 0U}, {low_word(seed), high_word(seed)});
  return {open_uniform(words[0], words[1]), open_uniform(words[2], words[3])};
}

}  // namespace forerun
