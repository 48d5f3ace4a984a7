// The main job on two real ranks: measure, resume, rehearse, estimate, forecast.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/golden/program.hpp"

namespace forerun {
namespace {

using nlohmann::json;

const std::string tiny =
    "--model tiny.json --layout 'tp=2;pp=2;dp=2' --seq 32 --batch 4 --precision fp32 ";

// Samples are shared out over ranks and joined in their order: the same document, once. 10,001 are
// shared unevenly.
TEST(ForecastOnRanks, IsTheSameToTheBit) {
  const TestFolder folder;
  const std::string call =
      "forecast --year 2030 --scenario epoch-trend --samples 10001 --seed 3 --format json";
  const auto alone = run_program(call, folder.path());
  ASSERT_EQ(alone.status, 0) << alone.log;
  EXPECT_EQ(json::parse(alone.out)["samples"], 10001);
  for (const int ranks : {1, 2, 4}) {
    const auto split = run_program(call, folder.path(), ranks);
    ASSERT_EQ(split.status, 0) << split.log;
    EXPECT_EQ(split.out, alone.out) << ranks;
  }
}

TEST(MainJob, MeasuresRehearsesEstimatesAndForecasts) {
  const TestFolder folder;
  folder.write("tiny.json", tiny_llama);
  const auto measured =
      run_program("measure " + tiny + "--time-budget 30s --out profile.json", folder.path(), 2);
  ASSERT_EQ(measured.status, 0) << measured.log;
  const json profile = json::parse(folder.read("profile.json"));
  EXPECT_EQ(profile["topology"]["ranks"], 2);
  EXPECT_GT(profile["kernels"].size(), 20U);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "profile.json.journal"));

  const auto rehearsed = run_program(
      "rehearse " + tiny + "--cluster profile.json --steps 2 --format json", folder.path(), 2);
  ASSERT_EQ(rehearsed.status, 0) << rehearsed.log;
  const json runs = json::parse(rehearsed.out)["runs"];
  ASSERT_EQ(runs.size(), 3U);
  for (const json& run : runs) {
    EXPECT_TRUE(run["equality"]["equal"].get<bool>()) << run.dump(1);
    EXPECT_LE(run["equality"]["worst_gradient_error"].get<double>(), 1e-5);
    EXPECT_NEAR(run["memory"]["predicted_bytes"].get<double>() /
                    run["memory"]["measured_bytes"].get<double>(),
                1.0,
                0.1);
  }

  const auto estimate = run_program(
      "estimate --model tiny.json --cluster profile.json --layout dp=2 --seq 32 --batch 4 --format "
      "json",
      folder.path());
  ASSERT_EQ(estimate.status, 0) << estimate.log;
  // The very keys that were measured, unless the budget left some out.
  const double measured_share = json::parse(estimate.out)["provenance"]["measured"].get<double>();
  if (profile["skipped"].empty()) {
    EXPECT_DOUBLE_EQ(measured_share, 1.0);
  }

  const auto forecast = run_program(
      "forecast --cluster profile.json --devices 2 --days 30 --format json", folder.path());
  ASSERT_EQ(forecast.status, 0) << forecast.log;
}

// Every GEMM that a profile names, measured or skipped: how many a short budget reaches depends on
// what else the machine does.
std::vector<std::string> gemm_keys(const json& profile) {
  std::vector<std::string> keys;
  for (const json& record : profile["kernels"]) {
    keys.push_back(record["key"]);
  }
  for (const std::string text : profile["skipped"]) {
    keys.push_back(text.substr(0, text.find(':')));
  }
  std::erase_if(keys, [](const std::string& key) { return !key.starts_with("gemm "); });
  return keys;
}

json made_record(const std::string& key) {
  return {{"key", key},
          {"median_s", 123.0},
          {"low_s", 123.0},
          {"high_s", 123.0},
          {"least_s", 123.0},
          {"p95_s", 123.0},
          {"samples", 50},
          {"rank_spread", 0.0}};
}

// Killed in the middle, started again: what the journal holds is not measured again.
TEST(MainJob, ResumesFromItsJournal) {
  const TestFolder folder;
  folder.write("tiny.json", tiny_llama);
  const std::string call = "measure " + tiny + "--time-budget 3s --out p.json";
  ASSERT_EQ(run_program(call, folder.path(), 2).status, 0);
  const json whole = json::parse(folder.read("p.json"));
  const auto keys = gemm_keys(whole);
  ASSERT_GE(keys.size(), 4U);
  // A journal as a kill leaves it: its head, three records, and half of the fourth.
  std::filesystem::remove(folder.path() / "p.json");
  std::ofstream journal(folder.path() / "p.json.journal");
  journal << json{{"device", whole["device"]["name"]},
                  {"cores_per_device", whole["device"]["cores_per_device"]},
                  {"ranks", 2},
                  {"ranks_per_node", 2}}
                 .dump()
          << '\n';
  for (std::size_t i = 0; i < 3; ++i) {
    journal << made_record(keys[i]).dump() << '\n';
  }
  journal << made_record(keys[3]).dump().substr(0, 40) << std::flush;
  const auto resumed = run_program(call + " --resume", folder.path(), 2);
  ASSERT_EQ(resumed.status, 0) << resumed.log;
  const json after = json::parse(folder.read("p.json"));
  // What the budget left out is named, so no kernel is lost between the two. (At how many sizes a
  // collective is measured depends on what was found, and on the time left.)
  const auto named = [](const json& document) {
    std::set<std::string> kernels;
    for (const json& record : document["kernels"]) {
      kernels.insert(record["key"]);
    }
    for (const std::string text : document["skipped"]) {
      const std::string key = text.substr(0, text.find(':'));
      const bool is_kernel = key.find(" bytes=") == std::string::npos;
      kernels.insert(is_kernel ? key : std::string());
    }
    kernels.erase("");
    return kernels;
  };
  EXPECT_EQ(named(after), named(whole));
  std::map<std::string, double> medians;
  for (const json& record : after["kernels"]) {
    medians[record["key"]] = record["median_s"];
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(medians[keys[i]], 123.0) << keys[i];
  }
}

// Without the exec the shell would take the signal; `timeout` sends it.
TEST(MainJob, LeavesAValidProfileWhenTerminated) {
  for (const std::string signal : {"TERM", "INT"}) {
    const TestFolder folder;
    folder.write("tiny.json", tiny_llama);
    const std::string call = "timeout --signal=" + signal +
                             " 4 " FORERUN_BIN_DIR
                             "/forerun measure --model tiny.json --seq 32 --kernels-only --out "
                             "p.json >out.txt 2>log.txt";
    const int status = std::system(
        ("cd '" + folder.path().string() + "' && " + call + "; [ $? -eq 124 ]").c_str());
    EXPECT_EQ(status, 0);  // timeout's own exit status when it had to send the signal
    const json profile = json::parse(folder.read("p.json"));
    EXPECT_EQ(profile["kind"], "profile");
    EXPECT_GT(profile["kernels"].size(), 0U);
    EXPECT_THAT(folder.read("log.txt"), testing::HasSubstr("interrupted: p.json holds"));
    EXPECT_FALSE(std::filesystem::exists(folder.path() / "p.json.journal"));
  }
}

TEST(MainJob, MeasuresKernelsOfEveryLayoutAlone) {
  const TestFolder folder;
  folder.write("tiny.json", tiny_llama);
  const auto measured = run_program(
      "measure --model tiny.json --seq 32 --kernels-only --layout 'tp=1|2' --precision fp32 "
      "--time-budget 4s --out p.json",
      folder.path());
  ASSERT_EQ(measured.status, 0) << measured.log;
  const json profile = json::parse(folder.read("p.json"));
  EXPECT_TRUE(profile["collectives"].empty());
  EXPECT_EQ(profile["topology"]["ranks"], 1);
  EXPECT_GT(profile["kernels"].size() + profile["skipped"].size(), 40U);
  const auto refused =
      run_program("measure --model tiny.json --kernels-only --out q.json", folder.path(), 2);
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.log, testing::HasSubstr("is for one process"));
}

TEST(MainJob, MeasuresKernelsByName) {
  const TestFolder folder;
  const auto measured = run_program(
      "measure --kernels-only --time-budget 4s --out p.json "
      "--kernel 'ssd_forward fp32 batch=1 length=64 heads=2 head_size=16 groups=1 state=16 "
      "chunk=32'"
      " --kernel 'grouped_gemm bf16 groups=4 rows=100 largest=40 n=32 k=64 nt'",
      folder.path());
  ASSERT_EQ(measured.status, 0) << measured.log;
  const json profile = json::parse(folder.read("p.json"));
  ASSERT_EQ(profile["kernels"].size(), 2U);
  EXPECT_GT(profile["kernels"][0]["flop_per_s"], 0.0);
  for (const auto& [text, complaint] :
       std::map<std::string, std::string>{{"gem bf16 m=1", "names no kernel (expected one as"},
                                          {"gemm bf16 m=0 n=1 k=1 nt", "m is 0"}}) {
    const auto refused =
        run_program("measure --kernels-only --out q.json --kernel '" + text + "'", folder.path());
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.log, testing::HasSubstr(complaint));
  }
}

TEST(MainJob, RefusesAProfileOfOtherCores) {
  const TestFolder folder;
  folder.write("tiny.json", tiny_llama);
  ASSERT_EQ(
      run_program("measure " + tiny + "--time-budget 2s --out p.json", folder.path(), 2).status, 0);
  json profile = json::parse(folder.read("p.json"));
  profile["device"]["cores_per_device"] = 77;
  folder.write("p.json", profile.dump());
  const auto refused = run_program("rehearse " + tiny + "--cluster p.json", folder.path(), 2);
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.log, testing::HasSubstr("77 cores"));
}

TEST(MainJob, AFullDiskEndsTheMeasurementWithoutATrace) {
  const TestFolder folder;
  folder.write("tiny.json", tiny_llama);
  std::filesystem::create_symlink("/dev/full", folder.path() / "p.json.journal");
  const auto full =
      run_program("measure " + tiny + "--resume --time-budget 2s --out p.json", folder.path(), 2);
  EXPECT_NE(full.status, 0);
  EXPECT_THAT(full.log, testing::HasSubstr("p.json.journal"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "p.json"));
}

TEST(MainJob, CudaThatWasNotBuiltOrFoundSaysSo) {
  const TestFolder folder;
  folder.write("tiny.json", tiny_llama);
  const auto outcome =
      run_program("measure --model tiny.json --device cuda --out p.json", folder.path());
  if (outcome.status == 0) {
    GTEST_SKIP() << "this machine has a GPU";
  }
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.log,
              testing::AnyOf(testing::HasSubstr("forerun_cuda.so"), testing::HasSubstr("no GPU")));
}

}  // namespace
}  // namespace forerun
