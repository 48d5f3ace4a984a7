// bfloat16 sums and maxima on bit patterns worked by hand.
#include "comm/mpi/bf16_reduction.hpp"

#include <array>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace forerun {
namespace {

// 1.0 = 0x3f80; the next bfloat16 is 1 + 2^-7 = 0x3f81.
TEST(Bf16, OneIsTheUpperHalfOfTheFloat) {
  EXPECT_EQ(bf16_from_float(1.0F), 0x3f80);
}

TEST(Bf16, TieGoesDownToTheEvenNeighbour) {
  EXPECT_EQ(bf16_from_float(1.0F + 0.00390625F), 0x3f80);  // 1 + 2^-8
}

TEST(Bf16, TieGoesUpToTheEvenNeighbour) {
  EXPECT_EQ(bf16_from_float(1.0F + 0.01171875F), 0x3f82);  // 1 + 3 * 2^-8
}

TEST(Bf16, AboveTheTieGoesUp) {
  EXPECT_EQ(bf16_from_float(1.0F + 0.00396F), 0x3f81);
}

TEST(Bf16, NanStaysNan) {
  EXPECT_TRUE(
      std::isnan(float_from_bf16(bf16_from_float(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Bf16, LargestFloatRoundsToInfinity) {
  EXPECT_EQ(bf16_from_float(std::numeric_limits<float>::max()), 0x7f80);
}

// 256 + 1 = 257 lies between 256 (0x4380) and 258 (0x4381): the tie goes to the even 256.
TEST(Bf16, SumIsRoundedToNearestEven) {
  const std::array<std::uint16_t, 1> one{0x3f80};
  std::array<std::uint16_t, 1> into{0x4380};
  add_bf16(one, into);
  EXPECT_EQ(into[0], 0x4380);
}

TEST(Bf16, MaximumComparesNumbersNotBits) {
  const std::array<std::uint16_t, 2> from{0xbf80, 0x4000};  // -1, 2
  std::array<std::uint16_t, 2> into{0xc000, 0x3f80};        // -2, 1
  max_bf16(from, into);
  EXPECT_EQ(into, (std::array<std::uint16_t, 2>{0xbf80, 0x4000}));
}

}  // namespace
}  // namespace forerun
