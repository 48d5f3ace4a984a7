// Logs and profiles of others through the program: import, merge, estimate, validate.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/estimator/import/log_text.hpp"
#include "tests/golden/program.hpp"

namespace forerun {
namespace {

using nlohmann::json;

TEST(ImportVerb, TurnsALogIntoAProfileThatShowAndMergeRead) {
  const TestFolder folder;
  folder.write("nccl.log", nccl_log);
  const auto imported =
      run_program("import --nccl-tests nccl.log --out nccl.json --format json", folder.path());
  ASSERT_EQ(imported.status, 0) << imported.log;
  const json summary = json::parse(imported.out);
  EXPECT_EQ(summary["collectives"], 3);
  EXPECT_EQ(summary["logs"][0]["skipped_rows"]["elements of type 'double'"], 1);
  const json profile = json::parse(folder.read("nccl.json"));
  EXPECT_EQ(profile["kind"], "profile");
  EXPECT_EQ(profile["device"]["name"], "NVIDIA A100-SXM4-80GB");
  EXPECT_EQ(profile["topology"]["ranks"], 4);
  EXPECT_EQ(run_program("show --cluster nccl.json", folder.path()).status, 0);

  // The same run, one message slower than its interval allows.
  std::string slower = nccl_log;
  slower.replace(slower.find("92.79"), 5, "99.99");
  folder.write("slower.log", slower);
  ASSERT_EQ(run_program("import --nccl-tests slower.log --out slower.json", folder.path()).status,
            0);
  const auto merged = run_program(
      "import --merge nccl.json slower.json --out both.json --format json", folder.path());
  ASSERT_EQ(merged.status, 0) << merged.log;
  const json conflicts = json::parse(merged.out)["conflicts"];
  ASSERT_EQ(conflicts.size(), 1U);
  EXPECT_EQ(conflicts[0]["key"],
            "all_reduce fp32 bytes=1048576 ranks=4 ranks_per_node=2 concurrent=1");
  EXPECT_EQ(json::parse(folder.read("both.json"))["collectives"].size(), 3U);
}

TEST(ImportVerb, TakesOsuLogsWithTheirRanks) {
  const TestFolder folder;
  folder.write("osu.log", osu_log);
  const auto imported = run_program(
      "import --osu osu.log --ranks 8 --device-name 'a CPU' --out osu.json", folder.path());
  ASSERT_EQ(imported.status, 0) << imported.log;
  EXPECT_THAT(imported.out, testing::HasSubstr("osu.json: 4 collectives"));
  EXPECT_EQ(json::parse(folder.read("osu.json"))["device"]["kind"], "host");
  const auto refused = run_program("import --osu osu.log --out x.json", folder.path());
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.log, testing::HasSubstr("osu.log:5"));
}

TEST(ValidateVerb, PredictsCollectivesThreeWays) {
  const TestFolder folder;
  std::string table = "payload_bytes,collective,time_us,num_gpus,gpu,nodes,id\n";
  for (int i = 0; i < 8; ++i) {
    const long bytes = 1L << (18 + i);
    table += std::to_string(bytes) + ",All-Reduce," +
             std::to_string(20.0 + static_cast<double>(bytes) / 150e3) + ",8,H100,1,r" +
             std::to_string(i) + "\n";
  }
  table += "1048576,MoE dispatch,10,8,H100,1,other\n";
  folder.write("table.csv", table);
  const auto outcome = run_program("validate --collectives table.csv --format json", folder.path());
  ASSERT_EQ(outcome.status, 0) << outcome.log;
  const json document = json::parse(outcome.out);
  EXPECT_EQ(document["total"], 3 * 8 + 1);
  for (const json& group : document["groups"]) {
    if (group["name"] == "row left out, all sizes") {
      EXPECT_EQ(group["priced"], 8);
      EXPECT_LT(group["mape"].get<double>(), 0.01);  // the rows follow a law
    }
  }
}

}  // namespace
}  // namespace forerun
