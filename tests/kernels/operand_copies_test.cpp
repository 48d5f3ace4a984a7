// The copies that cold timing takes turns on.
#include "kernels/cuda/operand_copies.hpp"

#include <array>
#include <cstring>
#include <set>

#include <gtest/gtest.h>

namespace forerun::cuda {
namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20U;

// 50 MiB of cache and sets of 4 MiB: 25 others are 100 MiB, one more is larger than twice the
// cache.
TEST(CopiesBeyond, AreTwiceAsLargeAsTheCache) {
  EXPECT_EQ(copies_beyond(50 * mebibyte, 4 * mebibyte, 1000), 27);
}

TEST(CopiesBeyond, AreNoMoreThanTheRuns) {
  EXPECT_EQ(copies_beyond(50 * mebibyte, 4096, 1000), 1000);
  EXPECT_EQ(copies_beyond(50 * mebibyte, 4096, 1), 1);
}

TEST(CopiesBeyond, AreTwoWhereOneSetFillsTheCache) {
  EXPECT_EQ(copies_beyond(50 * mebibyte, 200 * mebibyte, 1000), 2);
}

TEST(OperandCopies, HoldTheSameBytesElsewhere) {
  std::array<char, 7> name{"abcdef"};
  std::array<int, 300> numbers{};
  numbers[299] = 42;
  const std::array<void*, 2> operands{name.data(), numbers.data()};
  const std::array<std::size_t, 2> bytes{sizeof(name), sizeof(numbers)};
  Scratch memory;
  const OperandCopies copies(nullptr, {operands, bytes}, 3, memory);
  ASSERT_EQ(copies.count(), 3);
  std::set<void*> addresses;
  for (int run = 0; run < 3; ++run) {
    const auto set = copies.of_run(run);
    EXPECT_EQ(std::memcmp(set[0], name.data(), sizeof(name)), 0);
    EXPECT_EQ(std::memcmp(set[1], numbers.data(), sizeof(numbers)), 0);
    addresses.insert(set.begin(), set.end());
  }
  EXPECT_EQ(addresses.size(), 6U);
  EXPECT_EQ(copies.of_run(0)[0], operands[0]);
  EXPECT_EQ(copies.of_run(4)[1], copies.of_run(1)[1]);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(copies.of_run(2)[1]) % 256, 0U);
}

}  // namespace
}  // namespace forerun::cuda
