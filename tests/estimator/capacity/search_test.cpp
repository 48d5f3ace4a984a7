// Which choices are found.
#include "estimator/capacity/search.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/read_model.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

ServingPoint point(double tokens_per_s, double tpot_s) {
  ServingPoint made;
  made.batch = 1;
  made.tokens_per_s = tokens_per_s;
  made.tpot = tpot_s * unit::second;
  return made;
}

TEST(BatchSizes, GoUpByHalvesAndEndAtTheMost) {
  EXPECT_THAT(batch_sizes(20, 1), testing::ElementsAre(1, 2, 3, 4, 6, 8, 12, 16, 20));
  EXPECT_THAT(batch_sizes(20, 8), testing::ElementsAre(8, 16));
  EXPECT_THAT(batch_sizes(0, 1), testing::IsEmpty());
}

TEST(ParetoFront, KeepsWhatNothingBeats) {
  const auto front = pareto_front({point(10, 1.0), point(8, 2.0), point(5, 0.5), point(4, 0.6)});
  ASSERT_EQ(front.size(), 2U);
  EXPECT_EQ(front[0].tokens_per_s, 10.0);
  EXPECT_EQ(front[1].tokens_per_s, 5.0);
}

TEST(Excess, IsTheWorstOfBothLimits) {
  Workload workload;
  EXPECT_EQ(excess(point(1, 1.0), workload), 1.0);
  workload.tpot = 0.5 * unit::second;
  EXPECT_EQ(excess(point(1, 1.0), workload), 2.0);
  EXPECT_EQ(excess(point(1, 0.25), workload), 1.0);
}

// 64 heads and 8 key-value heads: any power of two; whole nodes beyond 8.
TEST(ServableLayouts, SplitHeadsAndShareNodes) {
  const auto layouts = servable_layouts(read_model("llama-2-70b"), 16, 8);
  EXPECT_THAT(layouts, testing::Contains(ServingLayout{16, 1, 1}));
  EXPECT_THAT(layouts, testing::Contains(ServingLayout{2, 8, 1}));
  for (const ServingLayout& layout : layouts) {
    EXPECT_LE(devices_of(layout), 16);
    EXPECT_EQ(layout.expert, 1);
    EXPECT_EQ(64 % layout.tensor, 0);
  }
}

TEST(ServableLayouts, OfExpertsHaveDataParallelAttention) {
  const auto layouts = servable_layouts(read_model("deepseek-v3"), 32, 8);
  EXPECT_THAT(layouts, testing::Contains(ServingLayout{1, 1, 32}));
  EXPECT_THAT(layouts, testing::Contains(ServingLayout{4, 2, 16}));
  EXPECT_EQ(attention_groups({4, 1, 16}), 4);
  EXPECT_EQ(devices_of({4, 2, 16}), 32);
}

TEST(UnservableBecause, NamesTheDegree) {
  const ModelShape model = read_model("llama-2-70b");
  EXPECT_THAT(*unservable_because(model, {3, 1, 1}), testing::HasSubstr("tp=3"));
  EXPECT_THAT(*unservable_because(model, {1, 100, 1}), testing::HasSubstr("80 layers"));
  EXPECT_THAT(*unservable_because(model, {1, 1, 2}), testing::HasSubstr("no experts"));
  EXPECT_FALSE(unservable_because(model, {8, 2, 1}).has_value());
}

}  // namespace
}  // namespace forerun
