// Whole runs of the verbs that need no mpirun.
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
                           "datasheet 100.0 %"}) {
    EXPECT_THAT(table.out, testing::HasSubstr(word));
  }
}

TEST(EstimateVerb, WritesCsv) {
  const TestFolder folder;
  const auto csv = run_program(
      "estimate --model gpt2 --cluster dgx-a100 --devices 8 --batch 8 --format csv", folder.path());
  EXPECT_THAT(csv.out, testing::HasSubstr("breakdown_s.compute,"));
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
