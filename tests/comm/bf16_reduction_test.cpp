// bfloat16 sums and maxima on bit patterns worked by hand.
#include "comm/mpi/bf16_reduction.hpp"

#include <array>

#include <gtest/gtest.h>

namespace forerun {
namespace {

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
