// Ranks that die, stop or do not belong together, under a real mpirun: the run ends, says who, and
// what was measured stays.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/golden/program.hpp"

namespace forerun {
namespace {

using nlohmann::json;
using testing::AnyOf;
using testing::HasSubstr;

// Starts two ranks, waits for records in the journal, runs `disturb` (a shell command that finds
// the process of rank N in pid.N) and waits for the end; `timeout` kills what hangs.
Outcome disturbed_run(const TestFolder& folder, const std::string& disturb) {
  folder.write(
      "run.sh",
      "cd '" + folder.path().string() +
          "'\n"
          "timeout -s KILL 100 mpirun -np 2 sh -c 'echo $$ > pid.$OMPI_COMM_WORLD_RANK; "
          "exec " FORERUN_BIN_DIR
          "/forerun measure --comm-only --stall-limit 4s --out p.json' > out.txt 2> log.txt &\n"
          "job=$!\n"
          "for i in $(seq 400); do\n"
          "  lines=$(cat p.json.journal 2>/dev/null | wc -l)\n"
          "  [ \"$lines\" -ge 4 ] && break\n"
          "  sleep 0.1\n"
          "done\n" +
          disturb + "\nwait $job\n");
  const int raw = std::system(("sh '" + (folder.path() / "run.sh").string() + "'").c_str());
  return {raw, folder.read("out.txt"), folder.read("log.txt")};
}

void expect_records_on_disk(const TestFolder& folder) {
  const std::string journal = folder.read("p.json.journal");
  EXPECT_GE(std::ranges::count(journal, '\n'), 4) << journal.substr(0, 300);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "p.json"));
}

TEST(BadDay, AStoppedRankIsNamed) {
  const TestFolder folder;
  const Outcome outcome = disturbed_run(folder, "kill -STOP $(cat pid.1)");
  EXPECT_NE(outcome.status, 0);
  EXPECT_THAT(outcome.log, HasSubstr("rank 1 on "));
  EXPECT_THAT(outcome.log, HasSubstr("has not been heard for"));
  EXPECT_THAT(outcome.log, HasSubstr("p.json.journal holds what was measured"));
  expect_records_on_disk(folder);
}

TEST(BadDay, AStoppedRankZeroIsNamedByTheOthers) {
  const TestFolder folder;
  const Outcome outcome = disturbed_run(folder, "kill -STOP $(cat pid.0)");
  EXPECT_NE(outcome.status, 0);
  EXPECT_THAT(outcome.log, HasSubstr("rank 0 on "));
  expect_records_on_disk(folder);
}

// mpirun may be quicker than the program itself to say so.
TEST(BadDay, AKilledRankIsNamed) {
  const TestFolder folder;
  const Outcome outcome = disturbed_run(folder, "kill -KILL $(cat pid.1)");
  EXPECT_NE(outcome.status, 0);
  EXPECT_THAT(outcome.log, AnyOf(HasSubstr("rank 1 on "), HasSubstr("process rank 1 ")));
  expect_records_on_disk(folder);
}

TEST(BadDay, RanksOfDifferentLayoutsAreRefused) {
  const TestFolder folder;
  folder.write("tiny.json", tiny_llama);
  const std::string tp = "measure --model tiny.json --seq 32 --out p.json --layout tp=2";
  const auto outcome = run_program(tp + " : -np 1 " FORERUN_BIN_DIR
                                        "/forerun measure --model tiny.json --seq 32 --out p.json "
                                        "--layout dp=2",
                                   folder.path(),
                                   1);
  EXPECT_EQ(outcome.status, 2) << outcome.log;
  EXPECT_THAT(outcome.log, HasSubstr("--layout: rank 1 on "));
  EXPECT_THAT(outcome.log, HasSubstr("has dp=2, rank 0 on "));
}

// A byte behind the end of the file changes nothing but what the file is.
TEST(BadDay, RanksOfDifferentProgramsAreRefused) {
  const TestFolder folder;
  namespace fs = std::filesystem;
  fs::copy_file(FORERUN_BIN_DIR "/forerun", folder.path() / "forerun");
  std::ofstream(folder.path() / "forerun", std::ios::app | std::ios::binary) << 'x';
  for (const char* const module : {"forerun_mpi.so", "forerun_host.so"}) {
    fs::create_symlink(fs::path(FORERUN_BIN_DIR) / module, folder.path() / module);
  }
  const auto outcome = run_program(
      "measure --comm-only --out p.json : -np 1 ./forerun measure --comm-only --out p.json",
      folder.path(),
      1);
  EXPECT_EQ(outcome.status, 2) << outcome.log;
  EXPECT_THAT(outcome.log, HasSubstr("forerun: forerun: rank 1 on "));
  EXPECT_THAT(outcome.log, HasSubstr("start the same file on every rank"));
}

TEST(BadDay, MoreRanksThanCoresAreWarnedOf) {
  const unsigned cores = std::thread::hardware_concurrency();
  if (cores > 4) {
    GTEST_SKIP() << "too many cores to start more ranks";
  }
  const TestFolder folder;
  const auto outcome = run_program("measure --comm-only --time-budget 1s --out p.json",
                                   folder.path(),
                                   static_cast<int>(cores) + 1);
  ASSERT_EQ(outcome.status, 0) << outcome.log;
  EXPECT_THAT(outcome.log, HasSubstr("warning: " + std::to_string(cores + 1) + " ranks share"));
  const json profile = json::parse(folder.read("p.json"));
  ASSERT_EQ(profile["warnings"].size(), 1U);
  EXPECT_THAT(profile["warnings"][0].get<std::string>(), HasSubstr("waits for a core"));
}

// More ranks than cores, so that everything is slow: what does not fit any more is not begun. One
// operation that was expected to be faster may run over.
TEST(BadDay, TheBudgetIsKept) {
  constexpr double budget_s = 8.0;
  const TestFolder folder;
  const auto outcome =
      run_program("measure --comm-only --time-budget 8s --out p.json", folder.path(), 3);
  ASSERT_EQ(outcome.status, 0) << outcome.log;
  const json profile = json::parse(folder.read("p.json"));
  EXPECT_FALSE(profile["collectives"].empty());
  EXPECT_LT(profile["elapsed_s"].get<double>(), 1.25 * budget_s);
}

}  // namespace
}  // namespace forerun
