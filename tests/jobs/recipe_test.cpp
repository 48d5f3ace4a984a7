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
  EXPECT_EQ(name_of(Recompute::none), "none");
  EXPECT_EQ(name_of(Recompute::selective), "selective");
  EXPECT_EQ(name_of(Recompute::full), "full");
}

TEST(Recipe, SpellsEverySchedule) {
  EXPECT_EQ(name_of(Schedule::gpipe), "gpipe");
  EXPECT_EQ(name_of(Schedule::one_f_one_b), "1f1b");
  EXPECT_EQ(name_of(Schedule::interleaved), "interleaved");
}

TEST(Recipe, ReadsItsOwnSpellings) {
  EXPECT_EQ(precision_from("mxfp8"), Precision::mxfp8);
  EXPECT_EQ(recompute_from("selective"), Recompute::selective);
  EXPECT_EQ(schedule_from("1f1b"), Schedule::one_f_one_b);
}

TEST(Recipe, ReadsNothingElse) {
  EXPECT_EQ(precision_from("BF16"), std::nullopt);
  EXPECT_EQ(recompute_from(""), std::nullopt);
  EXPECT_EQ(schedule_from("zb-h1"), std::nullopt);
}

TEST(Recipe, ShardsTheOptimizerAndTheSequenceByDefault) {
  const Recipe recipe;
  EXPECT_EQ(recipe.zero, ZeroStage::optimizer);
  EXPECT_EQ(recipe.sequence_parallel, SequenceParallel::on);
}

}  // namespace
}  // namespace forerun
