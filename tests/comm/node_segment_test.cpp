// A job takes whole hosts of a rack, so many that its groups do not straddle two racks.
#include "comm/node_segment.hpp"

#include <numeric>

#include <gtest/gtest.h>

namespace forerun {
namespace {

constexpr std::int64_t rack = 72;
constexpr std::int64_t host = 4;

TEST(NodeSegment, KeepsGroupsInsideTheRack) {
  EXPECT_EQ(segmented_node(rack, host, {1, 1, 32}), 64);
  EXPECT_EQ(segmented_node(rack, host, {4, 8, 64}), 64);
  EXPECT_EQ(segmented_node(rack, host, {1, 1, 16}), 64);
  EXPECT_EQ(segmented_node(rack, host, {1, 1, 48}), 48);
}

TEST(NodeSegment, LeavesNothingWhereGroupsFillTheRack) {
  EXPECT_EQ(segmented_node(rack, host, {1, 1, 1}), rack);
  EXPECT_EQ(segmented_node(rack, host, {4, 8, 1}), rack);
  EXPECT_EQ(segmented_node(rack, host, {1, 1, 72}), rack);
}

// A group of more than a rack straddles in any case; smaller ones beside it are still kept whole.
TEST(NodeSegment, ForgetsGroupsBeyondTheRack) {
  EXPECT_EQ(segmented_node(rack, host, {1, 1, 128}), rack);
  EXPECT_EQ(segmented_node(rack, host, {16, 16, 128}), 64);
}

TEST(NodeSegment, TakesANodeOfOneHostWhole) {
  EXPECT_EQ(segmented_node(8, 0, {3, 3, 1}), 8);
}

TEST(NodeSegment, IsWholeHostsAndWholeGroups) {
  for (std::int64_t block = 1; block <= rack; ++block) {
    const std::int64_t used = segmented_node(rack, host, {block});
    EXPECT_GT(used, 0);
    EXPECT_LE(used, rack);
    EXPECT_EQ(used % host, 0);
    if (std::lcm(block, host) <= rack) {
      EXPECT_EQ(used % block, 0) << block;
    }
  }
}

}  // namespace
}  // namespace forerun
