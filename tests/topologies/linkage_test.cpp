// Average linkage against merges worked by hand.
#include "topologies/linkage.hpp"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topologies/level_chain.hpp"

namespace forerun {
namespace {

using testing::ElementsAre;

// The five taxa of the usual textbook example of UPGMA: a b c d e with d(a,b) = 17, d(e,a) = 23,
// d(e,b) = 21, d(c,d) = 28, ... Worked by hand: ab at 17; then e to ab at (23 + 21) / 2 = 22; cd at
// 28; last the mean of the six distances between abe and cd, (21 + 30 + 39 + 31 + 34 + 43) / 6
// = 33.
TEST(AverageLinkage, MergesTheTextbookMatrix) {
  const std::vector<RankEdge> edges{{0, 1, 17},
                                    {0, 2, 21},
                                    {0, 3, 31},
                                    {0, 4, 23},
                                    {1, 2, 30},
                                    {1, 3, 34},
                                    {1, 4, 21},
                                    {2, 3, 28},
                                    {2, 4, 39},
                                    {3, 4, 43}};
  const auto merges = average_linkage(5, edges);
  ASSERT_EQ(merges.size(), 4U);
  EXPECT_DOUBLE_EQ(merges[0].height, 17.0);
  EXPECT_DOUBLE_EQ(merges[1].height, 22.0);
  EXPECT_DOUBLE_EQ(merges[2].height, 28.0);
  EXPECT_DOUBLE_EQ(merges[3].height, 33.0);
  EXPECT_THAT(partition_after(5, merges, 2), ElementsAre(0, 0, 1, 2, 0));
  EXPECT_THAT(partition_after(5, merges, 3), ElementsAre(0, 0, 1, 1, 0));
}

TEST(AverageLinkage, JoinsOnlyWhatEdgesConnect) {
  const std::vector<RankEdge> edges{{0, 1, 1.0}, {2, 3, 1.0}};
  EXPECT_EQ(average_linkage(4, edges).size(), 2U);
  EXPECT_TRUE(average_linkage(1, {}).empty());
}

TEST(AverageLinkage, RefusesEdgesOfNoPair) {
  const std::vector<RankEdge> outside{{0, 4, 1.0}};
  const std::vector<RankEdge> loop{{2, 2, 1.0}};
  EXPECT_THROW((void)average_linkage(4, outside), std::invalid_argument);
  EXPECT_THROW((void)average_linkage(4, loop), std::invalid_argument);
}

TEST(Partitions, NestWhenNoGroupIsCut) {
  EXPECT_TRUE(is_nested({0, 0, 1, 1}, {0, 0, 0, 0}));
  EXPECT_FALSE(is_nested({0, 0, 1, 1}, {0, 1, 1, 1}));
  EXPECT_THAT(group_sizes({0, 1, 1, 2}), ElementsAre(1, 2, 1));
  EXPECT_THAT(renumbered({7, 3, 7, 9}), ElementsAre(0, 1, 0, 2));
}

// 1 and 2 against 2 and 3: in order are 1-2, 1-3, 2-3, and half of 2-2: 3.5 of 4.
TEST(ShareInOrder, CountsEqualOnesHalf) {
  EXPECT_DOUBLE_EQ(share_in_order({1.0, 2.0}, {2.0, 3.0}), 0.875);
  EXPECT_DOUBLE_EQ(share_in_order({2.0, 3.0}, {1.0}), 0.0);
}

}  // namespace
}  // namespace forerun
