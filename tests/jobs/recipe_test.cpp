// The spellings of precision, recomputation and schedule.
#include "jobs/recipe.hpp"

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(Recipe, SpellsEveryPrecision) {
  EXPECT_EQ(name_of(Precision::bf16), "bf16");
  EXPECT_EQ(name_of(Precision::fp16), "fp16");
  EXPECT_EQ(name_of(Precision::fp32), "fp32");
  EXPECT_EQ(name_of(Precision::fp8), "fp8");
  EXPECT_EQ(name_of(Precision::mxfp8), "mxfp8");
  EXPECT_EQ(name_of(Precision::nvfp4), "nvfp4");
}

TEST(Recipe, SpellsEveryRecomputation) {
  for (const std::string text : {"none",
                                 "selective",
                                 "full",
                                 "block:3",
                                 "block:3+2+0+1",
                                 "layernorm+mlp_act",
                                 "core_attn+mlp"}) {
    const auto policy = recompute_policy_from(text);
    ASSERT_TRUE(policy) << text;
    EXPECT_EQ(text_of(*policy), text);
  }
  EXPECT_EQ(recompute_policy_from("block:3")->layers, 3);
  EXPECT_EQ(recompute_policy_from("block:3+0")->by_stage, (std::vector<std::int64_t>{3, 0}));
  EXPECT_TRUE(recompute_policy_from("mlp")->modules.mlp);
  EXPECT_FALSE(recompute_policy_from("mlp")->modules.core_attention);
}

TEST(Recipe, SpellsEverySchedule) {
  EXPECT_EQ(name_of(Schedule::gpipe), "gpipe");
  EXPECT_EQ(name_of(Schedule::one_f_one_b), "1f1b");
  EXPECT_EQ(name_of(Schedule::interleaved), "interleaved");
  EXPECT_EQ(name_of(Schedule::breadth_first), "breadth-first");
  EXPECT_EQ(name_of(Schedule::zb_h1), "zb-h1");
  EXPECT_EQ(name_of(Schedule::zb_h2), "zb-h2");
  EXPECT_EQ(name_of(Schedule::zb_v), "zb-v");
  EXPECT_EQ(name_of(Schedule::dualpipe), "dualpipe");
  EXPECT_EQ(name_of(Schedule::dualpipe_v), "dualpipe-v");
}

TEST(Recipe, ReadsItsOwnSpellings) {
  EXPECT_EQ(precision_from("mxfp8"), Precision::mxfp8);
  EXPECT_EQ(schedule_from("1f1b"), Schedule::one_f_one_b);
  EXPECT_EQ(schedule_from("zb-v"), Schedule::zb_v);
}

TEST(Recipe, CountsTheLayersThatAreRecomputed) {
  EXPECT_EQ(recomputed_layers({Recompute::none}, 0, 4), 0);
  EXPECT_EQ(recomputed_layers({Recompute::selective}, 0, 4), 0);
  EXPECT_EQ(recomputed_layers({Recompute::full}, 0, 4), 4);
  EXPECT_EQ(recomputed_layers({Recompute::block, {}, 3}, 1, 4), 3);
  EXPECT_EQ(recomputed_layers({Recompute::block, {}, 3}, 1, 2), 2);
  EXPECT_EQ(recomputed_layers({Recompute::block, {}, 0, {3, 0}}, 0, 4), 3);
  EXPECT_EQ(recomputed_layers({Recompute::block, {}, 0, {3, 0}}, 1, 4), 0);
}

TEST(Recipe, ReadsNothingElse) {
  EXPECT_EQ(precision_from("BF16"), std::nullopt);
  for (const std::string text : {"",
                                 "block:",
                                 "block:0",
                                 "block:x",
                                 "block:1+",
                                 "block:+1",
                                 "block:2+-1",
                                 "block:1,2",
                                 "mlp+",
                                 "attention"}) {
    EXPECT_FALSE(recompute_policy_from(text)) << text;
  }
  EXPECT_EQ(schedule_from("zb-h3"), std::nullopt);
}

TEST(Recipe, ShardsTheOptimizerAndTheSequenceByDefault) {
  const Recipe recipe;
  EXPECT_EQ(recipe.zero, ZeroStage::optimizer);
  EXPECT_EQ(recipe.sequence_parallel, SequenceParallel::on);
}

}  // namespace
}  // namespace forerun
