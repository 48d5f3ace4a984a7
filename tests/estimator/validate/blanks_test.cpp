// Filling what tables leave blank.
#include "estimator/validate/blanks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/input_error.hpp"

namespace forerun {
namespace {

using testing::HasSubstr;

constexpr const char* rules =
    "source,model,when,column,value,origin\n"
    "A*,*,,precision,fp16,the paper\n"
    "A*,*70B,gpu=*40GB*,device_memory,40 GiB,the datasheet\n"
    "*,*,notes~local batch ([0-9]+);,micro_batch,$1,notes of the row\n"
    "*,*,,micro_batch,7,a guess\n"
    "B*,*,,recompute!,full,the script\n";

std::string filled(const Cells& cells, const std::string& column) {
  Cells copy = cells;
  (void)BlankTable::parse(rules, "rules.csv").fill(copy);
  return text_in(copy, column);
}

TEST(BlankTable, FillsWhatIsBlankAndSaysWhereItIsDocumented) {
  Cells cells{{"source", "A table"}, {"model", "Llama 7B"}, {"micro_batch", "2"}};
  const auto assumptions = BlankTable::parse(rules, "rules.csv").fill(cells);
  ASSERT_EQ(assumptions.size(), 1U);
  EXPECT_EQ(assumptions[0].column, "precision");
  EXPECT_EQ(assumptions[0].value, "fp16");
  EXPECT_EQ(assumptions[0].origin, "the paper");
  EXPECT_EQ(cells.at("precision"), "fp16");
  EXPECT_EQ(cells.at("micro_batch"), "2");
}

TEST(BlankTable, AsksForEveryCondition) {
  EXPECT_EQ(filled({{"source", "A"}, {"model", "L 70B"}, {"gpu", "A100-40GB"}}, "device_memory"),
            "40 GiB");
  EXPECT_EQ(filled({{"source", "A"}, {"model", "L 70B"}, {"gpu", "A100-80GB"}}, "device_memory"),
            "");
  EXPECT_EQ(filled({{"source", "C"}, {"model", "L 70B"}, {"gpu", "A100-40GB"}}, "device_memory"),
            "");
  // A point is a point, not any letter.
  EXPECT_EQ(filled({{"source", "xA"}, {"model", "L"}}, "precision"), "");
}

TEST(BlankTable, TakesNumbersOutOfNotesTheFirstRuleWinning) {
  EXPECT_EQ(filled({{"source", "C"}, {"notes", "local batch 16; mock data"}}, "micro_batch"), "16");
  EXPECT_EQ(filled({{"source", "C"}, {"notes", "costs $1"}}, "micro_batch"), "7");
}

TEST(BlankTable, ReplacesWhereTheRuleSaysSo) {
  EXPECT_EQ(filled({{"source", "B"}, {"recompute", "selective"}}, "recompute"), "full");
}

TEST(BlankTable, NeverSeesAResult) {
  for (const std::string& column : result_columns()) {
    Cells cells{{"source", "A"}, {column, "1"}};
    EXPECT_THROW((void)BlankTable::committed().fill(cells), InputError) << column;
    const std::string asking =
        "source,model,when,column,value,origin\n*,*," + column + "=1,tp,2,nowhere\n";
    EXPECT_THROW((void)BlankTable::parse(asking, "x.csv"), InputError) << column;
    const std::string filling =
        "source,model,when,column,value,origin\n*,*,," + column + ",2,nowhere\n";
    EXPECT_THROW((void)BlankTable::parse(filling, "x.csv"), InputError) << column;
  }
}

TEST(BlankTable, RefusesRulesThatDocumentNothing) {
  try {
    (void)BlankTable::parse("source,model,when,column,value,origin\n*,*,,tp,2,\n", "x.csv");
    FAIL() << "a rule without an origin was read";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("x.csv:2"));
    EXPECT_THAT(error.what(), HasSubstr("origin"));
  }
  EXPECT_THROW(
      (void)BlankTable::parse("source,model,when,column,value,origin\n*,*,gpu,tp,2,x\n", "x.csv"),
      InputError);
}

TEST(BlankTable, OfTheProgramFillsWhatVTrainLeavesBlank) {
  Cells cells{{"source", "vTrain (MICRO 2024) ground_truth_multi.csv"},
              {"model", "GPT 39.1B"},
              {"gpu_family", "A100"}};
  (void)BlankTable::committed().fill(cells);
  EXPECT_EQ(text_in(cells, "vocab"), "50257");
  EXPECT_EQ(text_in(cells, "precision"), "fp16");
  EXPECT_EQ(text_in(cells, "node_network"), "800 Gb/s");
  EXPECT_EQ(text_in(cells, "cluster"), "dgx-a100");
}

// What a data rank holds at once is its micro-batch only where no pipeline splits it.
TEST(BlankTable, OfTheProgramTakesALocalBatchForAMicroBatchWithoutAPipelineOnly) {
  const auto micro_batch = [](const std::string& pipeline) {
    Cells cells{{"source", "torchtitan"}, {"model", "any"}, {"notes", "x; local batch 32; y"}};
    if (!pipeline.empty()) {
      cells.emplace("pp", pipeline);
    }
    (void)BlankTable::committed().fill(cells);
    return text_in(cells, "micro_batch");
  };
  EXPECT_EQ(micro_batch(""), "32");
  EXPECT_EQ(micro_batch("1"), "32");
  EXPECT_EQ(micro_batch("8"), "");
}

TEST(BlankTable, OfTheProgramSaysWhatARowWithoutAWordIsTakenFor) {
  Cells cells{{"source", "someone"}, {"model", "any"}, {"tp", "2"}, {"pp", "4"}};
  std::vector<std::string> columns;
  for (const Assumption& assumption : BlankTable::committed().fill(cells)) {
    columns.push_back(assumption.column);
  }
  EXPECT_THAT(columns, testing::IsSupersetOf({"recompute", "zero_stage", "vp", "sp"}));
}

}  // namespace
}  // namespace forerun
