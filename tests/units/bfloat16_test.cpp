// bfloat16 rounding on bit patterns worked by hand.
#include "units/bfloat16.hpp"

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

}  // namespace
}  // namespace forerun
