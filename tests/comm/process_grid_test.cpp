// Ranks, coordinates and groups of a grid, against hand-worked layouts.
#include "comm/process_grid.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/input_error.hpp"

namespace forerun {
namespace {

using testing::ElementsAre;

std::vector<ProcessGrid> several_grids() {
  std::vector<ProcessGrid> grids;
  for (const GridDegrees& degrees : {GridDegrees{1, 1, 1, 1},
                                     GridDegrees{2, 1, 2, 2},
                                     GridDegrees{4, 2, 3, 5},
                                     GridDegrees{3, 1, 2, 4},
                                     GridDegrees{1, 4, 2, 1},
                                     GridDegrees{8, 1, 4, 2},
                                     GridDegrees{2, 1, 4, 2, 4, 1},
                                     GridDegrees{2, 2, 4, 2, 2, 4},
                                     GridDegrees{4, 1, 4, 3, 8, 2}}) {
    for (const char* const order :
         {"tp-cp-ep-dp-pp", "tp-cp-ep-pp-dp", "dp-tp-pp-ep-cp", "pp-ep-tp-cp-dp"}) {
      grids.emplace_back(degrees, rank_order_from(order));
    }
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
      ASSERT_EQ(grid.rank_of(grid.expert_coordinates(rank)), rank);
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
    for (const GroupKind kind : all_group_kinds()) {
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

// Megatron's identity of parallel folding: tp*cp*dp*pp = etp*ep*edp*pp.
TEST(ProcessGrid, ExpertsFoldTheSameRanks) {
  for (const ProcessGrid& grid : several_grids()) {
    const GridDegrees& degrees = grid.degrees();
    EXPECT_EQ(degrees.expert_tensor * degrees.expert * grid.expert_data() * degrees.pipeline,
              grid.size());
    for (std::int64_t rank = 0; rank < grid.size(); ++rank) {
      ASSERT_EQ(grid.expert_coordinates(rank).pipeline, grid.coordinates(rank).pipeline);
    }
  }
}

TEST(ProcessGrid, EveryGroupOfAKindHasTheSizeOfItsShape) {
  for (const ProcessGrid& grid : several_grids()) {
    for (const GroupKind kind : all_group_kinds()) {
      for (const auto& group : grid.groups(kind)) {
        ASSERT_EQ(std::ssize(group), grid.shape(kind, 4).ranks) << name_of(kind);
      }
    }
  }
}

// Stage 0 of tp=2, dp=4, pp=2 holds ranks 0..7; ep=2, etp=2 leave edp=2: (edp * 2 + ep) * 2 + etp.
TEST(ProcessGrid, ExpertGroupsOfSixteenRanks) {
  const ProcessGrid grid({2, 1, 4, 2, 2, 2});
  EXPECT_EQ(grid.expert_data(), 2);
  EXPECT_THAT(grid.groups(GroupKind::expert_tensor),
              ElementsAre(ElementsAre(0, 1),
                          ElementsAre(2, 3),
                          ElementsAre(4, 5),
                          ElementsAre(6, 7),
                          ElementsAre(8, 9),
                          ElementsAre(10, 11),
                          ElementsAre(12, 13),
                          ElementsAre(14, 15)));
  EXPECT_THAT(grid.groups(GroupKind::expert),
              ElementsAre(ElementsAre(0, 2),
                          ElementsAre(1, 3),
                          ElementsAre(4, 6),
                          ElementsAre(5, 7),
                          ElementsAre(8, 10),
                          ElementsAre(9, 11),
                          ElementsAre(12, 14),
                          ElementsAre(13, 15)));
  EXPECT_THAT(grid.groups(GroupKind::expert_data),
              ElementsAre(ElementsAre(0, 4),
                          ElementsAre(1, 5),
                          ElementsAre(2, 6),
                          ElementsAre(3, 7),
                          ElementsAre(8, 12),
                          ElementsAre(9, 13),
                          ElementsAre(10, 14),
                          ElementsAre(11, 15)));
}

// ep=8 with etp=1 spans tp=2 and dp=4: one expert group is a whole stage.
TEST(ProcessGrid, ExpertGroupMaySpanTensorAndData) {
  const ProcessGrid grid({2, 1, 4, 2, 8, 1});
  EXPECT_THAT(grid.group_of(GroupKind::expert, 3), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(grid.group_of(GroupKind::expert_data, 3), ElementsAre(3));
}

TEST(ProcessGrid, RefusesExpertsThatDoNotFold) {
  EXPECT_THROW(ProcessGrid({2, 1, 3, 1, 4, 1}), InputError);
}

// (dp * 2 + pp) * 2 + tp: stage 0 holds ranks 0, 1, 4 and 5.
TEST(ProcessGrid, PipelineMayLieInsideData) {
  const ProcessGrid grid({2, 1, 2, 2, 2, 1}, rank_order_from("tp-cp-ep-pp-dp"));
  EXPECT_THAT(
      grid.groups(GroupKind::pipeline),
      ElementsAre(ElementsAre(0, 2), ElementsAre(1, 3), ElementsAre(4, 6), ElementsAre(5, 7)));
  EXPECT_THAT(
      grid.groups(GroupKind::data),
      ElementsAre(ElementsAre(0, 4), ElementsAre(1, 5), ElementsAre(2, 6), ElementsAre(3, 7)));
  EXPECT_THAT(
      grid.groups(GroupKind::expert),
      ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3), ElementsAre(4, 5), ElementsAre(6, 7)));
  EXPECT_THAT(
      grid.groups(GroupKind::expert_data),
      ElementsAre(ElementsAre(0, 4), ElementsAre(1, 5), ElementsAre(2, 6), ElementsAre(3, 7)));
}

// rank = tp * 2 + dp
TEST(ProcessGrid, DataMayLieInnermost) {
  const ProcessGrid grid({2, 1, 2, 1}, rank_order_from("dp-tp-cp-ep-pp"));
  EXPECT_THAT(grid.groups(GroupKind::data), ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
  EXPECT_THAT(grid.groups(GroupKind::tensor), ElementsAre(ElementsAre(0, 2), ElementsAre(1, 3)));
}

TEST(RankOrderText, ReadsWhatItWrites) {
  EXPECT_EQ(text_of(megatron_order), "tp-cp-ep-dp-pp");
  EXPECT_EQ(rank_order_from("tp-cp-ep-dp-pp"), megatron_order);
  EXPECT_EQ(text_of(rank_order_from("pp-dp-ep-cp-tp")), "pp-dp-ep-cp-tp");
}

TEST(RankOrderText, RefusesWhatIsNoOrder) {
  for (const char* const text : {"",
                                 "tp",
                                 "tp-cp-ep-dp",
                                 "tp-cp-ep-dp-dp",
                                 "tp-cp-ep-dp-pp-pp",
                                 "tp-cp-ep-dp-xp",
                                 "tp--cp-ep-dp"}) {
    EXPECT_THROW((void)rank_order_from(text), InputError) << text;
  }
}

TEST(PlacedGroups, NameTheNodeOfEachMember) {
  const std::vector<std::string> nodes{"a", "a", "b", "b"};
  const auto groups = placed_groups(ProcessGrid({1, 1, 2, 2}), GroupKind::pipeline, nodes);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_THAT(groups[1].ranks, ElementsAre(1, 3));
  EXPECT_THAT(groups[1].nodes, ElementsAre("a", "b"));
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

// Pairs that have a rank on a node, counted one by one, for every order and node.
TEST(GroupShapeOf, CountsEmbeddingPairsThatShareANode) {
  const ProcessGrid inner({1, 1, 4, 4}, rank_order_from("tp-cp-ep-pp-dp"));
  EXPECT_EQ(inner.shape(GroupKind::embedding, 8), (GroupShape{2, 2, 2}));
  for (const char* order :
       {"tp-cp-ep-dp-pp", "tp-cp-ep-pp-dp", "pp-tp-cp-ep-dp", "tp-pp-cp-ep-dp"}) {
    for (const GridDegrees& degrees : {GridDegrees{1, 1, 4, 4},
                                       GridDegrees{2, 1, 3, 2},
                                       GridDegrees{3, 2, 2, 3},
                                       GridDegrees{2, 2, 2, 1},
                                       GridDegrees{5, 1, 2, 2}}) {
      const ProcessGrid grid(degrees, rank_order_from(order));
      for (const std::int64_t node : {1, 2, 3, 4, 6, 7, 8, 12, 64}) {
        std::map<std::int64_t, std::int64_t> pairs;
        for (const auto& group : grid.groups(GroupKind::embedding)) {
          std::set<std::int64_t> nodes;
          for (const std::int64_t rank : group) {
            nodes.insert(rank / node);
          }
          for (const std::int64_t touched : nodes) {
            ++pairs[touched];
          }
        }
        const auto most = std::ranges::max_element(
            pairs, {}, &std::map<std::int64_t, std::int64_t>::value_type::second);
        EXPECT_EQ(grid.shape(GroupKind::embedding, node).concurrent, most->second)
            << order << " d" << degrees.data << " p" << degrees.pipeline << " on nodes of " << node;
      }
    }
  }
}

// The most members of any group on nodes counted one by one, where groups align with nodes.
TEST(GroupShapeOf, AgreesWithCountingRanksOnNodes) {
  for (const ProcessGrid& grid : {ProcessGrid({4, 2, 4, 2}),
                                  ProcessGrid({2, 1, 4, 8}),
                                  ProcessGrid({1, 1, 2, 16}),
                                  ProcessGrid({2, 1, 16, 1, 4, 1}),
                                  ProcessGrid({2, 1, 16, 2, 4, 2}),
                                  ProcessGrid({4, 1, 4, 4}, rank_order_from("tp-cp-ep-pp-dp")),
                                  ProcessGrid({8, 2, 2, 2})}) {
    for (const GroupKind kind : all_group_kinds()) {
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

// A closed form prices thousands of layouts; it may be careful, never hopeful: no group lies on
// fewer nodes than counting finds.
TEST(GroupShapeOf, NeverPutsMoreMembersOnANodeThanFit) {
  for (const ProcessGrid& grid : several_grids()) {
    for (const GroupKind kind : all_group_kinds()) {
      for (const std::int64_t node : {2, 4, 8}) {
        std::size_t most = 1;
        for (const auto& group : grid.groups(kind)) {
          std::set<std::int64_t> nodes;
          for (const std::int64_t rank : group) {
            nodes.insert(rank / node);
          }
          most = std::max(most, nodes.size());
        }
        const GroupShape shape = grid.shape(kind, node);
        const auto nodes = static_cast<std::int64_t>(most);
        EXPECT_LE(shape.ranks_per_node, (shape.ranks + nodes - 1) / nodes)
            << name_of(kind) << " order " << text_of(grid.order()) << " node " << node << " size "
            << grid.size();
      }
    }
  }
}

TEST(GroupKindName, IsSpelledAsTheEnumerator) {
  EXPECT_EQ(name_of(GroupKind::data_context), "data_context");
}

}  // namespace
}  // namespace forerun
