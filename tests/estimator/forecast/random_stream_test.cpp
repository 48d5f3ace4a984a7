// The generator against the known answers of its authors, and what its numbers look like.
#include "estimator/forecast/random_stream.hpp"

#include <array>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forerun {
namespace {

using ::testing::ElementsAre;

// Known answers of Random123, kat_vectors, philox4x32 10.
TEST(Philox, AgreesWithKnownAnswerForZeros) {
  EXPECT_THAT(philox({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U));
}

TEST(Philox, AgreesWithKnownAnswerForOnes) {
  constexpr std::uint32_t ones = 0xffffffffU;
  EXPECT_THAT(philox({ones, ones, ones, ones}, {ones, ones}),
              ElementsAre(0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU));
}

TEST(Philox, AgreesWithKnownAnswerForPi) {
  EXPECT_THAT(
      philox({0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U}, {0xa4093822U, 0x299f31d0U}),
      ElementsAre(0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U));
}

TEST(UniformPair, LiesInTheOpenUnitInterval) {
  for (std::uint64_t sample = 0; sample < 10'000; ++sample) {
    for (const double number : uniform_pair(7, sample, 0)) {
      EXPECT_GT(number, 0.0);
      EXPECT_LT(number, 1.0);
    }
  }
}

TEST(UniformPair, HasTheMomentsOfAUniform) {
  // Mean 1/2 with standard error sqrt(1/12/n); products of independent halves average 1/4 with
  // variance 1/9 - 1/16.
  constexpr int n = 100'000;
  double sum = 0.0;
  double product = 0.0;
  for (std::uint64_t sample = 0; sample < n; ++sample) {
    const auto pair = uniform_pair(3, sample, 1);
    sum += pair[0];
    product += pair[0] * pair[1];
  }
  EXPECT_NEAR(sum / n, 0.5, 4.0 * std::sqrt(1.0 / 12.0 / n));
  EXPECT_NEAR(product / n, 0.25, 4.0 * std::sqrt((1.0 / 9.0 - 1.0 / 16.0) / n));
}

TEST(UniformPair, DependsOnSeedSampleAndInput) {
  const auto number = uniform_pair(1, 2, 3);
  EXPECT_NE(number, uniform_pair(2, 2, 3));
  EXPECT_NE(number, uniform_pair(1, 3, 3));
  EXPECT_NE(number, uniform_pair(1, 2, 4));
  EXPECT_NE(number, uniform_pair(1ULL + (1ULL << 32U), 2, 3));
  EXPECT_EQ(number, uniform_pair(1, 2, 3));
}

}  // namespace
}  // namespace forerun
