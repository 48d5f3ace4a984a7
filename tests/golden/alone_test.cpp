// Whole runs of the verbs that need no mpirun.
#include <algorithm>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/golden/program.hpp"

namespace forerun {
namespace {

using nlohmann::json;

const std::string run_405b =
    "estimate --model llama-3.1-405b --cluster dgx-h100 --devices 16384 --batch 2048 --micro-batch "
    "1 "
    "--seq 8192 --format json --layout ";

TEST(EstimateVerb, PricesThe405bRunWithAndWithoutInterleaving) {
  const TestFolder folder;
  const auto interleaved = run_program(run_405b + "tp=8,pp=16,vp=8,dp=128", folder.path());
  const auto plain = run_program(run_405b + "tp=8,pp=16,dp=128", folder.path());
  const json a = json::parse(interleaved.out);
  const json b = json::parse(plain.out);
  EXPECT_NEAR(
      b["tflops_per_device"].get<double>() / a["tflops_per_device"].get<double>(), 0.6, 0.03);
  // 88 GiB by Megatron's tensor list with ZeRO-1: the answer says so, and the status agrees with
  // it.
  EXPECT_EQ(interleaved.status, a["feasible"].get<bool>() ? 0 : 3);
}

TEST(EstimateVerb, WritesTheSameDocumentToAFile) {
  const TestFolder folder;
  const std::string call =
      "estimate --model gpt2 --cluster dgx-a100 --devices 8 --batch 64 --format json";
  const auto shown = run_program(call, folder.path());
  ASSERT_EQ(shown.status, 0) << shown.log;
  EXPECT_EQ(run_program(call + " --out result.json", folder.path()).status, 0);
  EXPECT_EQ(folder.read("result.json"), shown.out);
}

TEST(EstimateVerb, SaysWhatSoftwareItAssumed) {
  const TestFolder folder;
  const std::string call =
      "estimate --model gpt2 --cluster dgx-a100 --devices 8 --batch 64 --verbose --software ";
  const std::string old = run_program(call + "megatron-2021", folder.path()).log;
  const std::string recent = run_program(call + "torchtitan", folder.path()).log;
  EXPECT_THAT(old, testing::ContainsRegex("attention +unfused"));
  EXPECT_THAT(recent, testing::ContainsRegex("attention +flash-2"));
}

TEST(EstimateVerb, WritesTheTimelineOfTheStep) {
  const TestFolder folder;
  const auto run = run_program(
      "estimate --model gpt2 --cluster dgx-a100 --devices 8 --batch 64 --format json --layout "
      "tp=1,pp=4,dp=2 --schedule zb-h1 --trace step.json",
      folder.path());
  ASSERT_EQ(run.status, 0) << run.log;
  double end = 0.0;
  std::map<std::string, int> passes;
  const json trace = json::parse(folder.read("step.json"));
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] == "X") {
      end = std::max(end, event["ts"].get<double>() + event["dur"].get<double>());
      ++passes[event["cat"].get<std::string>()];
    }
  }
  EXPECT_NEAR(end * 1e-6 / json::parse(run.out)["step_time_s"].get<double>(), 1.0, 1e-6);
  // 4 stages, 64 / 2 micro-batches.
  EXPECT_EQ(passes["forward"], 4 * 32);
  EXPECT_EQ(passes["backward input"], 4 * 32);
  EXPECT_EQ(passes["backward weight"], 4 * 32);
}

TEST(EstimateVerb, PricesEverySchedule) {
  const TestFolder folder;
  for (const char* how : {"gpipe --layout pp=4,dp=2",
                          "1f1b --layout pp=4,dp=2",
                          "interleaved --layout pp=4,vp=3,dp=2",
                          "breadth-first --layout pp=4,vp=3,dp=2",
                          "zb-h1 --layout pp=4,dp=2",
                          "zb-h2 --layout pp=4,dp=2",
                          "zb-v --layout pp=4,vp=2,dp=2",
                          "dualpipe-v --layout pp=4,vp=2,dp=2"}) {
    const auto run = run_program(
        std::string("estimate --model gpt2 --cluster dgx-a100 --devices 8 --batch 64 --format json "
                    "--schedule ") +
            how,
        folder.path());
    ASSERT_EQ(run.status, 0) << how << run.log;
    const json document = json::parse(run.out);
    EXPECT_GT(document["step_time_s"].get<double>(), 0.0) << how;
    EXPECT_TRUE(
        std::string(how).starts_with(document["inputs"]["recipe"]["schedule"].get<std::string>()));
  }
}

TEST(EstimateVerb, TakesAJobFileAndLetsFlagsBeatIt) {
  const TestFolder folder;
  folder.write("job.toml",
               "model = \"gpt2\"\ncluster = \"dgx-a100\"\ndevices = 8\nbatch = 64\nlayout = "
               "\"tp=2,dp=4\"\n");
  const auto file = run_program("estimate --job job.toml --format json", folder.path());
  ASSERT_EQ(file.status, 0) << file.log;
  EXPECT_EQ(json::parse(file.out)["inputs"]["layout"]["tp"], 2);
  const auto flag =
      run_program("estimate --job job.toml --layout dp=8 --format json", folder.path());
  EXPECT_EQ(json::parse(flag.out)["inputs"]["layout"]["tp"], 1);
}

TEST(EstimateVerb, PrintsATableThatNamesItsParts) {
  const TestFolder folder;
  const auto table = run_program(
      "estimate --model llama-3-8b --cluster dgx-h100 --devices 8 --layout tp=8 --batch 8 --tokens "
      "1T",
      folder.path());
  ASSERT_EQ(table.status, 0) << table.log;
  for (const char* word : {"step time",
                           "compute",
                           "tensor_parallel",
                           "MFU",
                           "memory at its peak",
                           "run  ",
                           "fitted 100.0 %"}) {
    EXPECT_THAT(table.out, testing::HasSubstr(word));
  }
}

TEST(EstimateVerb, WritesCsv) {
  const TestFolder folder;
  const auto csv = run_program(
      "estimate --model gpt2 --cluster dgx-a100 --devices 8 --batch 8 --format csv", folder.path());
  EXPECT_THAT(csv.out, testing::HasSubstr("breakdown_s.compute,"));
}

TEST(CapacityVerb, AnswersWithTheContractsKeys) {
  const TestFolder folder;
  const auto run = run_program(
      "capacity --model llama-3-8b --cluster dgx-h100 --devices 8 --precision fp8 --ttft 500ms "
      "--tpot 30ms --format json",
      folder.path());
  ASSERT_EQ(run.status, 0) << run.log;
  const json document = json::parse(run.out);
  EXPECT_TRUE(document["feasible"].get<bool>());
  EXPECT_LE(document["tpot_s"].get<double>(), 0.030);
  EXPECT_LE(document["ttft_s"].get<double>(), 0.500);
  EXPECT_GT(document["by_flop_ratio"]["ratio_to_decode"].get<double>(), 1.0);
  EXPECT_FALSE(document["pareto"].empty());
}

// 405B parameters in 16 bits do not lie on 4 devices of 80 GiB: status 3, and a document.
TEST(CapacityVerb, SaysWhatComesNearestWhereNothingFits) {
  const TestFolder folder;
  const auto run =
      run_program("capacity --model llama-3.1-405b --cluster dgx-h100 --devices 4 --format json",
                  folder.path());
  EXPECT_EQ(run.status, 3);
  const json document = json::parse(run.out);
  EXPECT_FALSE(document["feasible"].get<bool>());
  EXPECT_THAT(document["infeasible_reason"].get<std::string>(), testing::HasSubstr("tp=4"));
}

TEST(CapacityVerb, PrintsATableOfCopiesAndWork) {
  const TestFolder folder;
  const auto run = run_program(
      "capacity --model mixtral-8x7b --cluster dgx-h100 --devices 16 --serving "
      "disaggregated",
      folder.path());
  ASSERT_EQ(run.status, 0) << run.log;
  for (const char* part :
       {"prefill pool", "human-equivalents", "work-years", "by FLOP ratio", "Pareto front"}) {
    EXPECT_THAT(run.out, testing::HasSubstr(part));
  }
}

// The forecast's own model and cluster are files that capacity reads.
TEST(ForecastVerb, EmitsAModelAndAClusterThatCapacityServes) {
  const TestFolder folder;
  const auto emitted = run_program(
      "forecast --year 2028 --scenario epoch-trend --samples 1000 --emit-job job.toml "
      "--emit-cluster cluster.toml",
      folder.path());
  ASSERT_EQ(emitted.status, 0) << emitted.log;
  EXPECT_THAT(emitted.out, testing::HasSubstr("in words"));
  const auto served = run_program(
      "capacity --model job.config.json --cluster cluster.toml --devices 4096 --precision fp8 "
      "--format json",
      folder.path());
  ASSERT_EQ(served.status, 0) << served.log;
  EXPECT_GT(json::parse(served.out)["tokens_per_s"].get<double>(), 0.0);
}

// The same with experts and another context; the job keeps both.
TEST(ForecastVerb, EmitsAModelOfExperts) {
  const TestFolder folder;
  const auto emitted = run_program(
      "forecast --year 2026 --scenario epoch-trend --samples 1000 --emit-job job.toml "
      "--emit-cluster cluster.toml --emit-experts 64:4 --seq 16384",
      folder.path());
  ASSERT_EQ(emitted.status, 0) << emitted.log;
  EXPECT_THAT(emitted.log, testing::HasSubstr("4 of 64 experts"));
  const auto served = run_program(
      "capacity --model job.config.json --cluster cluster.toml --devices 8192 --precision fp8 "
      "--input-len 12000 --format json",
      folder.path());
  ASSERT_EQ(served.status, 0) << served.log;
  const json model = json::parse(served.out)["inputs"]["model"];
  EXPECT_GT(model["parameters"].get<double>(), 8.0 * model["active_parameters"].get<double>());
}

TEST(ForecastVerb, ReproducesTheArticlesMedian) {
  const TestFolder folder;
  const auto result =
      run_program("forecast --year 2030 --scenario steinhardt-2023 --format json", folder.path());
  ASSERT_EQ(result.status, 0) << result.log;
  const json document = json::parse(result.out);
  // Row B5 of the forecasting notes: 2.47M work-years from compute alone; a median of 100,000
  // draws.
  EXPECT_NEAR(document["work_years"]["p50"].get<double>() / 2470563.0, 1.0, 0.03);
  EXPECT_EQ(document["schema_version"], 1);
}

TEST(ForecastVerb, GivesTheSameBytesForTheSameSeed) {
  const TestFolder folder;
  const std::string call = "forecast --year 2030 --samples 10000 --format json --seed ";
  EXPECT_EQ(run_program(call + "5", folder.path()).out, run_program(call + "5", folder.path()).out);
  EXPECT_NE(run_program(call + "5", folder.path()).out, run_program(call + "6", folder.path()).out);
}

TEST(ShowVerb, ListsTheCatalogWithSources) {
  const TestFolder folder;
  const json document = json::parse(run_program("show --format json", folder.path()).out);
  EXPECT_GE(document["models"].size(), 12U);
  EXPECT_GE(document["clusters"].size(), 3U);
  for (const json& model : document["models"]) {
    EXPECT_NE(model["source"].get<std::string>(), "") << model["name"];
  }
}

TEST(Help, NamesEveryVerbAndOption) {
  const TestFolder folder;
  const auto help = run_program("--help", folder.path());
  EXPECT_EQ(help.status, 0);
  for (const char* verb : {"measure", "rehearse", "estimate", "forecast", "show"}) {
    EXPECT_THAT(help.out, testing::HasSubstr(verb));
    EXPECT_THAT(run_program(std::string(verb) + " --help", folder.path()).out,
                testing::HasSubstr("--format"));
  }
}

}  // namespace
}  // namespace forerun
