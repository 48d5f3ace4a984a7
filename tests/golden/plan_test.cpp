// Whole runs of `forerun plan`, alone and under mpirun.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/golden/program.hpp"

namespace forerun {
namespace {

using nlohmann::json;

const std::string small_plan =
    "plan --model gpt2 --cluster dgx-a100 --devices 8..16 --batch 64 --seq 1024 --tokens 10B "
    "--format json ";

// All but how long it took.
std::string without_time(const std::string& text) {
  json document = json::parse(text);
  EXPECT_GE(document["elapsed_s"].get<double>(), 0.0);
  document.erase("elapsed_s");
  return document.dump();
}

TEST(PlanVerb, AnswersInTheContractsKeys) {
  const TestFolder folder;
  const auto run = run_program(small_plan, folder.path());
  ASSERT_EQ(run.status, 0) << run.log;
  const json plan = json::parse(run.out);
  EXPECT_EQ(run.out.find("schema_version"), 5U);  // the first key
  EXPECT_TRUE(plan["feasible"].get<bool>());
  ASSERT_FALSE(plan["layouts"].empty());
  const json& best = plan["layouts"][0];
  for (const char* key : {"layout", "step_time_s", "mfu", "memory_peak_bytes", "run"}) {
    EXPECT_TRUE(best.contains(key)) << key;
  }
}

// What `estimate` says of the chosen layout is what the plan says of it.
TEST(PlanVerb, AgreesWithEstimateOnItsChoice) {
  const TestFolder folder;
  const json best = json::parse(run_program(small_plan + "--sp on --overlap on --schedule 1f1b "
                                                         "--recompute none --zero 1",
                                            folder.path())
                                    .out)["layouts"][0];
  std::string layout;
  for (const auto& [degree, value] : best["layout"].items()) {
    layout += (layout.empty() ? "" : ",") + degree + "=" + value.dump();
  }
  const auto run = run_program(
      "estimate --model gpt2 --cluster dgx-a100 --batch 64 --seq 1024 --tokens 10B --format json "
      "--devices " +
          best["devices"].dump() + " --micro-batch " + best["micro_batch"].dump() + " --layout " +
          layout,
      folder.path());
  ASSERT_EQ(run.status, 0) << run.log;
  const json estimate = json::parse(run.out);
  EXPECT_DOUBLE_EQ(estimate["step_time_s"].get<double>(), best["step_time_s"].get<double>());
  EXPECT_EQ(estimate["run"], best["run"]);
}

TEST(PlanVerb, IsTheSameForAnyNumberOfRanks) {
  const TestFolder folder;
  const auto alone = run_program(small_plan, folder.path());
  ASSERT_EQ(alone.status, 0) << alone.log;
  for (const int ranks : {2, 3}) {
    const auto split = run_program(small_plan, folder.path(), ranks);
    ASSERT_EQ(split.status, 0) << split.log;
    EXPECT_EQ(without_time(split.out), without_time(alone.out)) << ranks;
  }
}

TEST(PlanVerb, SaysWhatIsNearestWhereNothingFits) {
  const TestFolder folder;
  const auto run = run_program(
      "plan --model llama-3.1-405b --cluster dgx-h100 --devices 8 --batch 8 --seq 4096 --format "
      "json",
      folder.path());
  EXPECT_EQ(run.status, 3) << run.log;
  const json plan = json::parse(run.out);
  EXPECT_FALSE(plan["feasible"].get<bool>());
  EXPECT_TRUE(plan["layouts"].empty());
  EXPECT_GT(plan["nearest"]["memory_peak_bytes"].get<double>(),
            plan["inputs"]["memory_per_device_bytes"].get<double>());
  EXPECT_THAT(plan["infeasible_reason"].get<std::string>(), testing::HasSubstr("on stage"));
}

TEST(PlanVerb, EmitsLaunchSettings) {
  const TestFolder folder;
  const auto run = run_program(small_plan + "--emit megatron", folder.path());
  ASSERT_EQ(run.status, 0) << run.log;
  EXPECT_THAT(json::parse(run.out)["launch"]["text"].get<std::string>(),
              testing::HasSubstr("--tensor-model-parallel-size"));
}

// DualPipeV is the fastest there; Megatron-LM has no setting for it.
TEST(PlanVerb, KeepsToWhatTheFrameworkCanRun) {
  const TestFolder folder;
  const std::string call =
      "plan --model gpt2 --cluster dgx-a100 --devices 8 --batch 64 --layout tp=1,pp=4,vp=2,dp=2 "
      "--format json ";
  const auto best = [&](const std::string& more) {
    const auto run = run_program(call + more, folder.path());
    EXPECT_EQ(run.status, 0) << run.log;
    return json::parse(run.out);
  };
  EXPECT_THAT(best("")["layouts"][0]["schedule"].get<std::string>(),
              testing::HasSubstr("dualpipe"));
  const json emitted = best("--emit megatron");
  EXPECT_EQ(emitted["layouts"][0]["schedule"], "interleaved");
  EXPECT_THAT(emitted["launch"]["text"].get<std::string>(),
              testing::Not(testing::HasSubstr("no setting for schedule")));
}

TEST(PlanVerb, RefusesWhatItCannotUse) {
  const TestFolder folder;
  const std::string base = "plan --model gpt2 --cluster dgx-a100 ";

  const struct {
    const char* options;
    const char* complaint;
  } cases[] = {{"--batch 64", "--devices: is missing"},
               {"--devices 8", "--batch: is missing"},
               {"--devices 16..8 --batch 64", "the range 16..8 is empty (expected 8..16)"},
               {"--devices 8 --batch 64 --deadline 3d", "--deadline: needs --tokens"},
               {"--devices 8 --batch 64 --objective speed", "'speed' is not one of its values"},
               {"--devices 8 --batch 64 --what-if nett=2", "nearest is net"},
               {"--devices 8 --batch 64 --objective cost", "gives no price per device-hour"},
               {"--devices 8 --batch 64 --layout tp=16", "no layout of 'tp=16'"}};

  for (const auto& wrong : cases) {
    const auto run = run_program(base + wrong.options, folder.path());
    EXPECT_EQ(run.status, 2) << wrong.options;
    EXPECT_THAT(run.log, testing::HasSubstr(wrong.complaint)) << wrong.options;
  }
}

}  // namespace
}  // namespace forerun
