// Logs of the OSU micro-benchmarks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "estimator/import/imported_log.hpp"
#include "estimator/import/profile_of_logs.hpp"
#include "tests/estimator/import/log_text.hpp"
#include "tests/estimator/validate/written_file.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

std::string osu_complaint(const std::string& text, const LogContext& context) {
  const WrittenFile file("osu.log", text);
  try {
    (void)read_osu(file.path(), context);
  } catch (const InputError& error) {
    return error.what();
  }
  return "none";
}

TEST(OsuLog, GivesTheMaximumOverRanksWhereItIsPrinted) {
  const WrittenFile file("osu.log", osu_log);
  const ImportedLog log = read_osu(file.path(), {8, 4});
  ASSERT_EQ(log.records.size(), 4U);
  EXPECT_EQ(text_of(log.records[1].key),
            "all_reduce fp32 bytes=1024 ranks=8 ranks_per_node=4 concurrent=1");
  EXPECT_NEAR(log.records[1].timing.median.in(unit::microsecond), 2.5, 1e-9);
  EXPECT_EQ(log.records[1].timing.samples, 1000);
}

// 256 B from each of 8 ranks are 2048 B gathered.
TEST(OsuLog, TurnsSharesOfAPeerIntoFullSizes) {
  const WrittenFile file("osu.log", osu_log);
  const ImportedLog log = read_osu(file.path(), {8, 4});
  EXPECT_EQ(log.records[2].key.op, Collective::all_gather);
  EXPECT_EQ(log.records[2].key.bytes, 2048);
  EXPECT_NEAR(log.records[2].timing.median.in(unit::microsecond), 3.75, 1e-9);
}

TEST(OsuLog, TakesThePairOfTheLatencyTest) {
  const WrittenFile file("osu.log", osu_log);
  const ImportedLog log = read_osu(file.path(), {8, 1});
  EXPECT_EQ(text_of(log.records[3].key),
            "send_recv fp32 bytes=8 ranks=2 ranks_per_node=1 concurrent=1");
  EXPECT_EQ(log.skipped.at("no bytes"), 1);
  EXPECT_EQ(log.skipped.at("'OSU MPI Bandwidth Test v5.9' is not modelled"), 1);
}

// Profiles of GPUs and of hosts do not join, whatever printed them.
TEST(OsuLog, TellsBuffersOfADeviceFromThoseOfTheHost) {
  const std::string rows = "\n# Size  Avg Latency(us)\n4 1.0\n";
  const std::string host = "# OSU MPI Allreduce Latency Test v7.3" + rows;
  const std::string device = "# OSU MPI-CUDA Allreduce Latency Test v7.3" + rows;
  EXPECT_EQ(read_osu_text(host, "osu.log", {2, 2}).device_kind, "host");
  EXPECT_EQ(read_osu_text(device, "osu.log", {2, 2}).device_kind, "cuda");
  EXPECT_EQ(
      read_osu_text("# OSU NCCL Allreduce Latency Test v7.3" + rows, "osu.log", {2, 2}).device_kind,
      "cuda");
  EXPECT_THAT(osu_complaint(host + device, {2, 2}),
              testing::HasSubstr("osu.log:6: is of 'OSU MPI-CUDA Allreduce Latency Test v7.3', on "
                                 "buffers of 'cuda', the rows before of 'host'"));
  const WrittenFile host_file("host.log", host);
  const WrittenFile device_file("device.log", device);
  const std::vector<ImportedLog> logs{read_osu(host_file.path(), {2, 2}),
                                      read_osu(device_file.path(), {2, 2})};
  EXPECT_THROW((void)profile_of_logs(logs, LogKind::osu, "GPU"), InputError);
  EXPECT_EQ(profile_of_logs(std::span(logs).last(1), LogKind::osu, "GPU").device.kind, "cuda");
}

TEST(OsuLog, NamesTheLineThatDoesNotFit) {
  EXPECT_THAT(osu_complaint(osu_log, {}), testing::HasSubstr("osu.log:5: an OSU log does not say"));
  EXPECT_THAT(
      osu_complaint("# OSU MPI Allreduce Latency Test v7.3\n# Size  Avg Latency(us)\n4\n", {2, 2}),
      testing::HasSubstr("osu.log:3: has 1 fields (expected at least 2"));
  EXPECT_THAT(osu_complaint("# OSU MPI Allreduce Latency Test v7.3\n4 1.0\n", {2, 2}),
              testing::HasSubstr("osu.log:2: numbers before a header"));
  EXPECT_THAT(osu_complaint("# OSU MPI Allreduce Latency Test v7.3\n# Size  Avg Latency(us)\n4 x\n",
                            {2, 2}),
              testing::HasSubstr("osu.log:3: time 'x'"));
  EXPECT_THAT(osu_complaint("4 1.0\n", {2, 2}),
              testing::HasSubstr("osu.log:1: numbers before a title"));
  EXPECT_THAT(osu_complaint("nothing\n", {2, 2}), testing::HasSubstr("holds no table of the OSU"));
}

std::string titled(const std::string& title,
                   const std::string& header = "# Size       Avg Latency(us)",
                   const std::string& row = "64   1.5") {
  return "# OSU " + title + " v7.5\n" + header + "\n" + row + "\n";
}

// Titles as OSU 5 to 7 print them. What is not a plain blocking collective is another test.
TEST(OsuLog, LeavesOutALastRowThatWasCutOff) {
  const std::string text(osu_log);
  const ImportedLog log =
      read_osu_text(text.substr(0, text.find("2.10              2.50")), "osu.log", {8, 4});
  EXPECT_EQ(log.records.size(), 1U);
  EXPECT_EQ(log.skipped.at("cut off"), 1);
}

TEST(OsuLog, TakesWholeTitlesOnly) {
  for (const char* title : {"MPI Latency Test",
                            "MPI-CUDA Latency Test",
                            "MPI-ROCM Latency Test",
                            "NCCL-CUDA Latency Test",
                            "MPI Allreduce Latency Test",
                            "MPI-ROCM Allreduce Latency Test",
                            "MPI Allgather Latency Test",
                            "MPI-SYCL Reduce_scatter Latency Test",
                            "MPI Broadcast Latency Test",
                            "NCCL-CUDA All-to-All Personalized Exchange Latency Test",
                            "MPI All-to-All Personalized Exchange Latency Test"}) {
    EXPECT_EQ(osu_complaint(titled(title), {4, 4}), "none") << title;
  }
  for (const char* title : {"MPI Persistent Allreduce Latency Test",
                            "MPI Reduce_scatter Persistent Latency Test",
                            "MPI Neighborhood Allgather Latency Test",
                            "MPI Neighbor Alltoall Latency Test",
                            "MPI Neighborhood All-to-All Latency Test",
                            "MPI Allgatherv Latency Test",
                            "MPI Multi Latency Test",
                            "UPC++ Broadcast Latency Test",
                            "MPI One Sided Allreduce Latency Test"}) {
    EXPECT_THAT(osu_complaint(titled(title), {4, 4}),
                testing::HasSubstr("'OSU " + std::string(title) + " v7.5' is not modelled"))
        << title;
  }
}

TEST(OsuLog, LeavesOutNonBlockingTests) {
  EXPECT_THAT(
      osu_complaint("# OSU MPI Non-blocking Allreduce Latency Test v5.6.3\n"
                    "# Overall = Coll. Init + Compute + MPI_Test + MPI_Wait\n\n"
                    "# Size           Overall(us)       Compute(us)    Pure Comm.(us)        "
                    "Overlap(%)\n"
                    "4                       8.77              5.32              4.43         "
                    "    22.08\n",
                    {4, 4}),
      testing::HasSubstr("Non-blocking Allreduce Latency Test v5.6.3' is not modelled"));
}

TEST(OsuLog, RefusesRowsWhoseValidationFailed) {
  const std::string header = "# Size       Avg Latency(us)        Validation";
  EXPECT_EQ(osu_complaint(titled("MPI Allreduce Latency Test", header, "64  1.5  Pass"), {4, 4}),
            "none");
  EXPECT_THAT(osu_complaint(titled("MPI Allreduce Latency Test", header, "64  1.5  Fail"), {4, 4}),
              testing::HasSubstr("osu.log:3: says that its results are wrong"));
  EXPECT_THAT(
      osu_complaint(titled("MPI Allreduce Latency Test", "# Size  Bandwidth (MB/s)"), {4, 4}),
      testing::HasSubstr("osu.log:2: has no column of latencies"));
}

TEST(OsuLog, TakesTheTypeOfTheElements) {
  for (const auto& [name, type] : {std::pair("MPI_INT", DataType::int32),
                                   std::pair("MPI_CHAR", DataType::uint8),
                                   std::pair("MPI_FLOAT", DataType::fp32)}) {
    const WrittenFile file(
        "osu.log",
        titled("MPI Allreduce Latency Test",
               "# Datatype: " + std::string(name) + ".\n# Size       Avg Latency(us)"));
    const ImportedLog log = read_osu(file.path(), {4, 4});
    ASSERT_EQ(log.records.size(), 1U);
    EXPECT_EQ(log.records[0].key.type, type);
  }
  EXPECT_THAT(osu_complaint(titled("MPI Allreduce Latency Test",
                                   "# Datatype: MPI_DOUBLE.\n# Size       Avg Latency(us)"),
                            {4, 4}),
              testing::HasSubstr("elements of type 'MPI_DOUBLE'"));
}

}  // namespace
}  // namespace forerun
