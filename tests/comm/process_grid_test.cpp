// Ranks, coordinates and groups of a grid, against hand-worked layouts.
#include "comm/process_grid.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forerun {
namespace {

using testing::ElementsAre;

constexpr GroupKind all_kinds[] = {GroupKind::tensor,
                                   GroupKind::context,
                                   GroupKind::data,
                                   GroupKind::data_context,
                                   GroupKind::pipeline,
                                   GroupKind::model,
                                   GroupKind::embedding,
                                   GroupKind::world};

std::vector<ProcessGrid> several_grids() {
  std::vector<ProcessGrid> grids;
  for (const GridDegrees& degrees : {GridDegrees{1, 1, 1, 1},
                                     GridDegrees{2, 1, 2, 2},
                                     GridDegrees{4, 2, 3, 5},
                                     GridDegrees{3, 1, 2, 4},
                                     GridDegrees{1, 4, 2, 1},
                                     GridDegrees{8, 1, 4, 2}}) {
    grids.emplace_back(degrees);
  }
  return grids;
}

// Ranks 0..7 of tp=2, dp=2, pp=2: rank = pp * 4 + dp * 2 + tp.
const ProcessGrid& eight() {
  static const ProcessGrid grid({.tensor = 2, .context = 1, .data = 2, .pipeline = 2});
  return grid;
}

TEST(ProcessGrid, SizeIsTheProductOfTheDegrees) {
  EXPECT_EQ(ProcessGrid({.tensor = 4, .context = 2, .data = 3, .pipeline = 5}).size(), 120);
}

TEST(ProcessGrid, RefusesADegreeOfZero) {
  EXPECT_THROW(ProcessGrid({.tensor = 0}), std::invalid_argument);
}

TEST(ProcessGrid, CoordinatesAndRankAreInverse) {
  for (const ProcessGrid& grid : several_grids()) {
    for (std::int64_t rank = 0; rank < grid.size(); ++rank) {
      ASSERT_EQ(grid.rank_of(grid.coordinates(rank)), rank);
    }
  }
}

// ((4 * 3 + 2) * 2 + 1) * 4 + 3 = 119
TEST(ProcessGrid, RankFollowsMegatronsOrder) {
  const ProcessGrid grid({.tensor = 4, .context = 2, .data = 3, .pipeline = 5});
  EXPECT_EQ(grid.rank_of({.tensor = 3, .context = 1, .data = 2, .pipeline = 4}), 119);
}

// ((1 * 3 + 0) * 2 + 1) * 4 + 2 = 30
TEST(ProcessGrid, CoordinatesOfAMiddleRank) {
  const ProcessGrid grid({.tensor = 4, .context = 2, .data = 3, .pipeline = 5});
  EXPECT_EQ(grid.coordinates(30),
            (GridCoordinates{.tensor = 2, .context = 1, .data = 0, .pipeline = 1}));
}

TEST(ProcessGrid, GroupsPartitionTheWorld) {
  for (const ProcessGrid& grid : several_grids()) {
    for (const GroupKind kind : all_kinds) {
      std::multiset<std::int64_t> seen;
      for (const auto& group : grid.groups(kind)) {
        seen.insert(group.begin(), group.end());
      }
      for (std::int64_t rank = 0; rank < grid.size(); ++rank) {
        const std::int64_t stage = grid.coordinates(rank).pipeline;
        const bool is_outer = stage == 0 || stage == grid.degrees().pipeline - 1;
        const std::size_t expected = kind == GroupKind::embedding && !is_outer ? 0 : 1;
        ASSERT_EQ(seen.count(rank), expected) << name_of(kind) << " " << rank;
      }
    }
  }
}

TEST(ProcessGrid, GroupOfARankContainsItInAscendingOrder) {
  const ProcessGrid grid({.tensor = 4, .context = 2, .data = 3, .pipeline = 5});
  for (const GroupKind kind : {GroupKind::model, GroupKind::data_context, GroupKind::world}) {
    for (std::int64_t rank = 0; rank < grid.size(); ++rank) {
      const auto group = grid.group_of(kind, rank);
      ASSERT_TRUE(std::ranges::is_sorted(group));
      ASSERT_TRUE(std::ranges::binary_search(group, rank));
    }
  }
}

TEST(ProcessGrid, TensorGroupsOfEightRanks) {
  EXPECT_THAT(
      eight().groups(GroupKind::tensor),
      ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3), ElementsAre(4, 5), ElementsAre(6, 7)));
}

TEST(ProcessGrid, DataGroupsOfEightRanks) {
  EXPECT_THAT(
      eight().groups(GroupKind::data),
      ElementsAre(ElementsAre(0, 2), ElementsAre(1, 3), ElementsAre(4, 6), ElementsAre(5, 7)));
}

TEST(ProcessGrid, PipelineGroupsOfEightRanks) {
  EXPECT_THAT(
      eight().groups(GroupKind::pipeline),
      ElementsAre(ElementsAre(0, 4), ElementsAre(1, 5), ElementsAre(2, 6), ElementsAre(3, 7)));
}

TEST(ProcessGrid, ModelGroupsOfEightRanks) {
  EXPECT_THAT(eight().groups(GroupKind::model),
              ElementsAre(ElementsAre(0, 1, 4, 5), ElementsAre(2, 3, 6, 7)));
}

TEST(ProcessGrid, EmbeddingGroupsJoinFirstAndLastStage) {
  const ProcessGrid grid({.tensor = 1, .context = 1, .data = 2, .pipeline = 3});
  EXPECT_THAT(grid.groups(GroupKind::embedding), ElementsAre(ElementsAre(0, 4), ElementsAre(1, 5)));
}

TEST(ProcessGrid, MiddleStagesHaveNoEmbeddingGroup) {
  const ProcessGrid grid({.tensor = 1, .context = 1, .data = 2, .pipeline = 3});
  EXPECT_TRUE(grid.group_of(GroupKind::embedding, 2).empty());
}

// tp=2, cp=2, dp=2: data_context of rank 0 are the ranks with tp = 0.
TEST(ProcessGrid, DataContextGroupCrossesBoth) {
  const ProcessGrid grid({.tensor = 2, .context = 2, .data = 2, .pipeline = 1});
  EXPECT_THAT(grid.group_of(GroupKind::data_context, 0), ElementsAre(0, 2, 4, 6));
}

const ProcessGrid& llama_405b() {
  static const ProcessGrid grid({.tensor = 8, .context = 1, .data = 128, .pipeline = 16});
  return grid;
}

TEST(GroupShapeOf, TensorGroupThatFillsANode) {
  EXPECT_EQ(llama_405b().shape(GroupKind::tensor, 8), (GroupShape{8, 8, 1}));
}

TEST(GroupShapeOf, DataGroupWithOneRankOnEachNode) {
  EXPECT_EQ(llama_405b().shape(GroupKind::data, 8), (GroupShape{128, 1, 8}));
}

TEST(GroupShapeOf, PipelineGroupWithOneRankOnEachNode) {
  EXPECT_EQ(llama_405b().shape(GroupKind::pipeline, 8), (GroupShape{16, 1, 8}));
}

TEST(GroupShapeOf, EmbeddingPairOnTwoNodes) {
  EXPECT_EQ(llama_405b().shape(GroupKind::embedding, 8), (GroupShape{2, 1, 8}));
}

TEST(GroupShapeOf, WorldFillsEveryNode) {
  EXPECT_EQ(llama_405b().shape(GroupKind::world, 8), (GroupShape{16384, 8, 1}));
}

TEST(GroupShapeOf, ModelGroupFillsOneNodeOfEachStage) {
  EXPECT_EQ(llama_405b().shape(GroupKind::model, 8), (GroupShape{128, 8, 1}));
}

// tp=2 on nodes of 8: four tensor groups on a node; four members of a data group on a node.
TEST(GroupShapeOf, DataGroupWithSeveralRanksOnANode) {
  const ProcessGrid grid({.tensor = 2, .context = 1, .data = 16, .pipeline = 1});
  EXPECT_EQ(grid.shape(GroupKind::tensor, 8), (GroupShape{2, 2, 4}));
  EXPECT_EQ(grid.shape(GroupKind::data, 8), (GroupShape{16, 4, 2}));
}

TEST(GroupShapeOf, TensorGroupOverTwoNodes) {
  const ProcessGrid grid({.tensor = 16, .context = 1, .data = 2, .pipeline = 1});
  EXPECT_EQ(grid.shape(GroupKind::tensor, 8), (GroupShape{16, 8, 1}));
}

// Groups of 3 on nodes of 8: the third, ranks 6 to 8, lies on two nodes.
TEST(GroupShapeOf, GroupThatStraddlesTwoNodesCountsAsSplit) {
  const ProcessGrid grid({.tensor = 3, .context = 1, .data = 8, .pipeline = 1});
  EXPECT_EQ(grid.shape(GroupKind::tensor, 8).ranks_per_node, 2);
}

TEST(GroupShapeOf, EverythingOnOneNodeSharesIt) {
  EXPECT_EQ(eight().shape(GroupKind::pipeline, 8), (GroupShape{2, 2, 4}));
  EXPECT_EQ(eight().shape(GroupKind::embedding, 8), (GroupShape{2, 2, 4}));
}

// The most members of any group on nodes counted one by one, where groups align with nodes.
TEST(GroupShapeOf, AgreesWithCountingRanksOnNodes) {
  for (const ProcessGrid& grid : {ProcessGrid({4, 2, 4, 2}),
                                  ProcessGrid({2, 1, 4, 8}),
                                  ProcessGrid({1, 1, 2, 16}),
                                  ProcessGrid({8, 2, 2, 2})}) {
    for (const GroupKind kind : all_kinds) {
      std::int64_t most = 0;
      for (const auto& group : grid.groups(kind)) {
        const auto on_first = std::ranges::count_if(
            group, [&](std::int64_t rank) { return rank / 8 == group.front() / 8; });
        most = std::max(most, static_cast<std::int64_t>(on_first));
      }
      EXPECT_EQ(grid.shape(kind, 8).ranks_per_node, most) << name_of(kind);
    }
  }
}

TEST(GroupKindName, IsSpelledAsTheEnumerator) {
  EXPECT_EQ(name_of(GroupKind::data_context), "data_context");
}

}  // namespace
}  // namespace forerun
