// Logs of nccl-tests: what they say, and where they do not fit.
#include <algorithm>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "estimator/import/imported_log.hpp"
#include "estimator/import/profile_of_logs.hpp"
#include "estimator/measure/collective_table.hpp"
#include "estimator/profile/profile_json.hpp"
#include "tests/estimator/import/log_text.hpp"
#include "tests/estimator/profile/made_profile.hpp"
#include "tests/estimator/validate/written_file.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using testing::HasSubstr;

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  text.replace(text.find(what), what.size(), with);
  return text;
}

std::string nccl_complaint(const std::string& text, const LogContext& context = {}) {
  const WrittenFile file("all.log", text);
  try {
    (void)read_nccl_tests(file.path(), context);
  } catch (const InputError& error) {
    return error.what();
  }
  return "none";
}

TEST(NcclTestsLog, GivesKeysAndTimesOfEveryProgram) {
  const WrittenFile file("all.log", nccl_log);
  const ImportedLog log = read_nccl_tests(file.path(), {});
  EXPECT_EQ(log.device, "NVIDIA A100-SXM4-80GB");
  EXPECT_THAT(log.hosts, testing::ElementsAre("node1", "node1", "node2", "node2"));
  ASSERT_EQ(log.records.size(), 3U);
  EXPECT_EQ(text_of(log.records[0].key),
            "all_reduce fp32 bytes=1048576 ranks=4 ranks_per_node=2 concurrent=1");
  EXPECT_NEAR(log.records[0].timing.median.in(unit::microsecond), 92.79, 1e-9);
  EXPECT_EQ(log.records[0].timing.samples, 20);
  EXPECT_EQ(log.records[1].key.type, DataType::bf16);
  EXPECT_EQ(text_of(log.records[2].key),
            "all_to_all fp32 bytes=4194304 ranks=4 ranks_per_node=2 concurrent=1");
  EXPECT_EQ(log.skipped.at("elements of type 'double'"), 1);
  EXPECT_THAT(log.software, testing::Contains(testing::Pair("nccl-tests", "2.17.6")));
  EXPECT_THAT(log.software, testing::Contains(testing::Pair("nccl", "2.29.7+cuda12.9")));
}

// The words of NCCL's types: widths as NCCL's header has them.
TEST(NcclTestsLog, KnowsTheTypesThatItMoves) {
  const std::vector<std::pair<std::string, DataType>> words{{"float", DataType::fp32},
                                                            {"half", DataType::fp16},
                                                            {"bfloat16", DataType::bf16},
                                                            {"int8", DataType::uint8},
                                                            {"uint8", DataType::uint8},
                                                            {"int32", DataType::int32},
                                                            {"uint32", DataType::int32},
                                                            {"f8e4m3", DataType::fp8_e4m3},
                                                            {"f8e5m2", DataType::fp8_e5m2}};
  for (const auto& [word, type] : words) {
    const WrittenFile file("all_gather_perf.log",
                           "#       size         count      type   redop    root     time\n"
                           "     1048576        262144     " +
                               word + "    none      -1    52.50\n");
    const ImportedLog log = read_nccl_tests(file.path(), {4, {}});
    ASSERT_EQ(log.records.size(), 1U) << word;
    EXPECT_EQ(log.records[0].key.type, type) << word;
  }
}

// A run with "-o all": only what training does is kept.
TEST(NcclTestsLog, KeepsSumsAlone) {
  const WrittenFile file("all_reduce_perf.log",
                         "#       size         count      type   redop    root     time\n"
                         "     1048576        262144     float    prod      -1    60.00\n"
                         "     1048576        262144     float     sum      -1    50.00\n"
                         "     1048576        262144     float     avg      -1    70.00\n");
  const ImportedLog log = read_nccl_tests(file.path(), {4, {}});
  ASSERT_EQ(log.records.size(), 1U);
  EXPECT_NEAR(log.records[0].timing.median.in(unit::microsecond), 50.0, 1e-9);
  EXPECT_EQ(log.skipped.at("reduction 'prod'"), 1);
  EXPECT_EQ(log.skipped.at("reduction 'avg'"), 1);
}

TEST(NcclTestsLog, MakesAProfileWithFittedLevels) {
  const WrittenFile file("all.log", nccl_log);
  const std::vector<ImportedLog> logs{read_nccl_tests(file.path(), {})};
  const Profile profile = profile_of_logs(logs, LogKind::nccl_tests, std::nullopt);
  EXPECT_EQ(profile.device.kind, "cuda");
  EXPECT_EQ(profile.ranks, 4);
  EXPECT_EQ(profile.ranks_per_node, 2);
  EXPECT_EQ(profile.collectives.size(), 3U);
  ASSERT_EQ(profile.levels.size(), 1U);
  EXPECT_EQ(profile.levels.front().name, "network");
  EXPECT_EQ(profile_of_logs(logs, LogKind::nccl_tests, "A100").device.name, "A100");
}

// Older versions: no program's name, an "error" column, one line a device without a group.
const std::string old_log =
    "# Using devices\n"
    "#   Rank  0 Pid  12345 on    host1 device  0 [0x07] Tesla V100-SXM2-16GB\n"
    "#   Rank  1 Pid  12345 on    host1 device  1 [0x0a] Tesla V100-SXM2-16GB\n"
    "#       size         count    type   redop     time   algbw   busbw  error     time   algbw   "
    "busbw  error\n"
    "     8388608       2097152   float     sum    172.5   48.63   24.31  0e+00    171.9   48.80   "
    "24.40  0e+00\n";

TEST(NcclTestsLog, TakesTheProgramFromTheFilesNameWhereTheLogHasNone) {
  const WrittenFile file("reduce_scatter_perf.txt", old_log);
  const ImportedLog log = read_nccl_tests(file.path(), {});
  ASSERT_EQ(log.records.size(), 1U);
  EXPECT_EQ(text_of(log.records[0].key),
            "reduce_scatter fp32 bytes=8388608 ranks=2 ranks_per_node=2 concurrent=1");
  EXPECT_THAT(nccl_complaint(old_log), HasSubstr("all.log:5: nothing before this row says which"));
}

TEST(NcclTestsLog, TakesInPlaceTimesWhereThereAreNoOthers) {
  const WrittenFile file("all.log",
                         replaced(nccl_log,
                                  "61.18   68.56   51.42      0      N/A     N/A     N/A    N/A",
                                  "N/A     N/A     N/A    N/A    60.00   68.56   51.42      0"));
  const ImportedLog log = read_nccl_tests(file.path(), {});
  EXPECT_NEAR(log.records[2].timing.median.in(unit::microsecond), 60.0, 1e-9);
}

TEST(NcclTestsLog, NamesTheLineThatDoesNotFit) {
  EXPECT_THAT(nccl_complaint(replaced(nccl_log, "   92.15   11.38   17.07      0", "")),
              HasSubstr("all.log:15: has 9 fields (expected 13"));
  EXPECT_THAT(nccl_complaint(replaced(nccl_log, "92.79", "fast")),
              HasSubstr("all.log:15: time 'fast'"));
  EXPECT_THAT(nccl_complaint(replaced(nccl_log, "16.95      0", "16.95      7")),
              HasSubstr("all.log:15: reports 7 wrong results"));
  EXPECT_THAT(
      nccl_complaint(replaced(nccl_log, "[0000:0b:00] NVIDIA A100", "[0000:0b:00] NVIDIA H100")),
      HasSubstr("expected one kind of device"));
}

TEST(NcclTestsLog, LeavesOutALastRowThatWasCutOff) {
  const WrittenFile file("all.log", nccl_log.substr(0, nccl_log.find("   92.97   22.56")));
  const ImportedLog log = read_nccl_tests(file.path(), {});
  EXPECT_EQ(log.records.size(), 1U);
  EXPECT_EQ(log.skipped.at("cut off"), 1);
}

// NCCL_TESTS_SPLIT: two groups of four on one node, or four of two across two nodes.
std::string split_log(const std::vector<std::pair<int, int>>& groups_and_nodes,
                      const std::string& rates) {
  std::string log = "# Collective test starting: all_reduce_perf\n";
  for (std::size_t rank = 0; rank < groups_and_nodes.size(); ++rank) {
    log += "#  Rank  " + std::to_string(rank) + " Group  " +
           std::to_string(groups_and_nodes[rank].first) + " Pid   4711 on      node" +
           std::to_string(groups_and_nodes[rank].second) +
           " device  0 [0000:07:00] NVIDIA A100-SXM4-80GB\n";
  }
  return log +
         "#       size         count      type   redop    root     time   algbw   busbw  #wrong    "
         " "
         "time   algbw   busbw  #wrong\n"
         "     1048576        262144     float     sum      -1    92.79   " +
         rates + "       0    92.15   " + rates + "       0\n";
}

// Four ranks: 2 (4 - 1) / 4 = 1.5 times; two ranks: once.
TEST(NcclTestsLog, CountsTheRanksOfAGroup) {
  const WrittenFile inside(
      "all.log",
      split_log({{0, 1}, {0, 1}, {0, 1}, {0, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, "11.30   16.95"));
  const ImportedLog log = read_nccl_tests(inside.path(), {});
  ASSERT_EQ(log.records.size(), 1U);
  EXPECT_EQ(log.records[0].key.group, (GroupShape{4, 4, 2}));
  const Profile profile = profile_of_logs({&log, 1}, LogKind::nccl_tests, std::nullopt);
  EXPECT_EQ(profile.ranks, 8);
  EXPECT_EQ(profile.ranks_per_node, 8);
  const WrittenFile across(
      "all.log",
      split_log({{0, 1}, {1, 1}, {2, 1}, {3, 1}, {0, 2}, {1, 2}, {2, 2}, {3, 2}}, "11.30   11.30"));
  EXPECT_EQ(read_nccl_tests(across.path(), {}).records.at(0).key.group, (GroupShape{2, 1, 4}));
  EXPECT_THAT(nccl_complaint(split_log({{0, 1}, {0, 1}, {1, 1}}, "11.30   11.30")),
              HasSubstr("list groups of 2 and of 1 ranks"));
}

TEST(NcclTestsLog, RefusesRatesThatAreNotThoseOfItsRanks) {
  const std::string log =
      split_log({{0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}}, "11.30   16.95");
  EXPECT_THAT(nccl_complaint(log),
              HasSubstr("all.log:11: busbw 16.95 is not 1.75 times algbw 11.30"));
  EXPECT_EQ(nccl_complaint(replaced(log,
                                    "11.30   16.95       0    92.15   11.30   16.95",
                                    "11.30   19.77       0    92.15   11.30   19.78")),
            "none");
  // In place too; and rates too small for their digits say nothing.
  EXPECT_THAT(nccl_complaint(replaced(log, "11.30   16.95", "11.30   19.78")),
              HasSubstr("busbw 16.95"));
  EXPECT_EQ(nccl_complaint(split_log({{0, 1}, {0, 1}}, "0.00   0.01")), "none");
}

TEST(NcclTestsLog, RefusesWrongResultsWhereverTheyAreSaid) {
  EXPECT_THAT(nccl_complaint(replaced(nccl_log, "17.07      0", "17.07      3")),
              HasSubstr("all.log:15: reports 3 wrong results"));
  EXPECT_THAT(
      nccl_complaint(replaced(nccl_log, "bounds values : 0 OK", "bounds values : 2 FAILED")),
      HasSubstr("all.log:18: says that 2 values were out of bounds"));
  const WrittenFile small("reduce_scatter_perf.txt",
                          replaced(old_log, "24.31  0e+00", "24.31  5e-07"));
  EXPECT_EQ(read_nccl_tests(small.path(), {}).records.size(), 1U);
  const WrittenFile file("reduce_scatter_perf.txt",
                         replaced(old_log, "24.40  0e+00", "24.40  2e-02"));
  try {
    (void)read_nccl_tests(file.path(), {});
    ADD_FAILURE() << "taken";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr(":5: reports an error of 2e-02 (nccl-tests allows 1e-05"));
  }
}

// srun --label puts the task before every line, right-aligned.
TEST(NcclTestsLog, ReadsWhatSrunLabels) {
  std::string labelled = nccl_log;
  for (std::size_t at = labelled.find("[1,0]<stdout>:"); at != std::string::npos;
       at = labelled.find("[1,0]<stdout>:", at)) {
    labelled.replace(at, std::string("[1,0]<stdout>:").size(), " 0: ");
  }
  const WrittenFile file("all.log", labelled);
  const ImportedLog log = read_nccl_tests(file.path(), {});
  ASSERT_EQ(log.records.size(), 3U);
  EXPECT_EQ(log.records[0].key.group, (GroupShape{4, 2, 1}));
}

// mpirun --timestamp-output with and without --tag-output, and what collectors of logs write.
TEST(NcclTestsLog, ReadsLinesWithTimes) {
  const auto with = [](const std::string& head) {
    std::string timed = nccl_log;
    for (std::size_t at = timed.find("[1,0]<stdout>:"); at != std::string::npos;
         at = timed.find("[1,0]<stdout>:", at + head.size())) {
      timed.replace(at, std::string("[1,0]<stdout>:").size(), head);
    }
    return timed;
  };
  for (const char* head : {"Tue Dec  1 01:19:23 2026<stdout>:",
                           "Wed Dec 30 23:59:59 2026[1,0]<stdout>:",
                           "2026-12-01T01:19:23.123456789Z ",
                           "2026-12-01T01:19:23.123456789+00:00 stdout F ",
                           "2026-12-01 01:19:23,123\t",
                           "[1,0]<stdout>:2026-12-01T01:19:23 ",
                           "2026-12-01T01:19:23+01:00 "}) {
    const WrittenFile file("all.log", with(head));
    const ImportedLog log = read_nccl_tests(file.path(), {});
    ASSERT_EQ(log.records.size(), 3U) << head;
    EXPECT_EQ(log.records[0].key.group, (GroupShape{4, 2, 1})) << head;
  }
}

// mpiexec -l of MPICH and Intel MPI.
TEST(NcclTestsLog, ReadsWhatMpiexecLabels) {
  std::string labelled = nccl_log;
  for (std::size_t at = labelled.find("[1,0]<stdout>:"); at != std::string::npos;
       at = labelled.find("[1,0]<stdout>:", at)) {
    labelled.replace(at, std::string("[1,0]<stdout>:").size(), "[0] ");
  }
  const WrittenFile file("all.log", labelled);
  EXPECT_EQ(read_nccl_tests(file.path(), {}).records.size(), 3U);
}

TEST(NcclTestsLog, LeavesOutProgramsThatItDoesNotKnow) {
  const auto skipped = [](const std::string& other) {
    const WrittenFile file("all.log", replaced(nccl_log, "alltoall_perf", other));
    const ImportedLog log = read_nccl_tests(file.path(), {});
    EXPECT_EQ(log.records.size(), 2U) << other;
    return log.skipped;
  };
  EXPECT_TRUE(skipped("alltoallv_perf").contains("alltoallv_perf is not modelled"));
  EXPECT_TRUE(skipped("newer_perf").contains("a program of a later version is not modelled"));
}

// The table of `measure --comm-only` reads back as what it was printed from.
TEST(NcclTestsLog, ReadsOurOwnTable) {
  Profile profile = made_profile();
  profile.collectives.resize(2);
  const CollectiveKey gather{Collective::all_gather, 1 << 20, DataType::bf16, {4, 2, 3}};
  profile.collectives.push_back({gather, exactly(300.0 * unit::microsecond)});
  profile.collectives.back().back_to_back = 250.0 * unit::microsecond;
  profile.collectives.back().in_place = 240.0 * unit::microsecond;
  profile.collectives.back().wrong = 0;
  std::ostringstream table;
  print_collective_table(to_json(profile), table);
  const WrittenFile file("table.txt", table.str());
  const ImportedLog log = read_nccl_tests(file.path(), {});
  EXPECT_EQ(log.device, "a CPU");
  EXPECT_EQ(log.device_kind, "host");
  ASSERT_EQ(log.records.size(), 3U);
  EXPECT_EQ(log.records[0].key, all_reduce_key(4096));
  EXPECT_NEAR(log.records[0].timing.median.in(unit::microsecond), 10.41, 0.006);
  EXPECT_FALSE(log.records[0].back_to_back);
  EXPECT_EQ(log.records[2].key, gather);
  EXPECT_NEAR(log.records[2].timing.median.in(unit::microsecond), 300.0, 0.01);
  EXPECT_NEAR(log.records[2].back_to_back->in(unit::microsecond), 250.0, 0.01);
  EXPECT_NEAR(log.records[2].in_place->in(unit::microsecond), 240.0, 0.01);
  const Profile again = profile_of_logs({&log, 1}, LogKind::nccl_tests, std::nullopt);
  EXPECT_EQ(again.device.kind, "host");
  const auto found = std::ranges::find(again.collectives, gather, &CollectiveRecord::key);
  ASSERT_NE(found, again.collectives.end());
  EXPECT_EQ(found->back_to_back, log.records[2].back_to_back);
  EXPECT_EQ(found->in_place, log.records[2].in_place);
}

// Its times are means of operations back to back.
TEST(NcclTestsLog, KeepsTheTimesOfBothForms) {
  const WrittenFile file("reduce_scatter_perf.txt", old_log);
  const ImportedLog log = read_nccl_tests(file.path(), {});
  ASSERT_FALSE(log.records.empty());
  const CollectiveRecord& record = log.records.front();
  EXPECT_EQ(record.back_to_back, record.timing.median);
  EXPECT_TRUE(record.in_place.has_value());
}

TEST(NcclTestsLog, AsksForTheRanksThatItDoesNotList) {
  // Of 16 ranks: 2 (16 - 1) / 16 = 1.875 times 48.63 and 48.80.
  const std::string rows = old_log.substr(old_log.find("#       size"));
  const std::string bare = replaced(replaced(rows, "24.31", "91.18"), "24.40", "91.50");
  const WrittenFile file("all_reduce_perf.log", bare);
  EXPECT_THROW((void)read_nccl_tests(file.path(), {}), InputError);
  const ImportedLog log = read_nccl_tests(file.path(), {16, 8});
  EXPECT_EQ(log.records[0].key.group, (GroupShape{16, 8, 1}));
}

TEST(NcclTestsLog, RefusesWhatIsNoLog) {
  EXPECT_THAT(nccl_complaint("hello\n"), HasSubstr("holds no table of nccl-tests"));
  EXPECT_THROW((void)read_nccl_tests("/nonexistent.log", {}), InputError);
}

}  // namespace
}  // namespace forerun
