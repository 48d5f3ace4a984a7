// Profiles on disk: what is written is read back, and what is not a profile is refused.
#include "estimator/profile/profile_json.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "estimator/profile/journal.hpp"
#include "tests/estimator/profile/made_profile.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

class ProfileFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = (std::filesystem::temp_directory_path() /
             (std::string("forerun_") +
              testing::UnitTest::GetInstance()->current_test_info()->name() + ".json"))
                .string();
  }

  void TearDown() override { std::filesystem::remove(path_); }

  void expect_refused(const std::string& text, const char* because) {
    std::ofstream(path_) << text;
    try {
      (void)read_profile(path_);
      ADD_FAILURE() << "read: " << text.substr(0, 60);
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(because));
      EXPECT_THAT(error.what(), testing::HasSubstr(path_));
    }
  }

  std::string path_;
};

TEST_F(ProfileFile, ReadsBackWhatWasWritten) {
  const Profile profile = made_profile();
  write_atomically(path_, to_json(profile).dump());
  const Profile read = read_profile(path_);
  EXPECT_EQ(to_json(read), to_json(profile));
  EXPECT_EQ(read.kernels.size(), 3U);
  EXPECT_EQ(read.kernels[1].key, profile.kernels[1].key);
  EXPECT_EQ(read.jobs, profile.jobs);
  EXPECT_DOUBLE_EQ(read.levels[0].bandwidth / profile.levels[0].bandwidth, 1.0);
}

TEST_F(ProfileFile, RefusesWhatIsNotAProfile) {
  const std::string whole = to_json(made_profile()).dump();
  expect_refused("", "not valid JSON");
  expect_refused(whole.substr(0, whole.size() / 2), "truncated");
  expect_refused("{\"model_type\": \"gpt2\"}", "not a profile");
  expect_refused("[1, 2]", "not a profile");
  expect_refused("{\"kind\": \"profile\", \"schema_version\": 99}", "schema_version 99");
  expect_refused("{\"kind\": \"profile\", \"schema_version\": 1}", "not a whole profile");
}

TEST_F(ProfileFile, NamesThePlaceThatIsWrong) {
  nlohmann::ordered_json document = to_json(made_profile());
  document["topology"]["levels"][0]["latency_s"] = "short";
  expect_refused(document.dump(), "whole profile: in 'topology': type must be number");
  document["topology"]["levels"][0].erase("latency_s");
  expect_refused(document.dump(), "in 'topology': key 'latency_s' not found");
}

TEST_F(ProfileFile, RefusesNoiseThatNoMachineHas) {
  Profile profile = made_profile();
  profile.noise = {{1, 1.0 * unit::millisecond, 0.01}, {2, 1.0 * unit::millisecond, 0.05}};
  nlohmann::ordered_json document = to_json(profile);
  for (const double excess : {-1.0, 1e4, 1e300}) {
    document["noise"][1]["excess"] = excess;
    expect_refused(document.dump(), "noise has a point");
  }
  document["noise"][1]["excess"] = 0.05;
  document["noise"][1]["ranks"] = 0;
  expect_refused(document.dump(), "noise has a point");
}

TEST_F(ProfileFile, RefusesAFileThatIsNotThere) {
  EXPECT_THROW((void)read_profile("/nonexistent/profile.json"), InputError);
}

TEST(FitLevels, RecoversTheLinkThatTheNumbersWereMadeFrom) {
  const Profile profile = made_profile();
  ASSERT_EQ(profile.levels.size(), 1U);
  EXPECT_NEAR(profile.levels[0].latency.in(unit::microsecond), 5.0, 1e-6);
  // 2 (n - 1) / n = 1 for two ranks: the wire rate is the algorithm's.
  EXPECT_NEAR(profile.levels[0].bandwidth.in(unit::gigabyte / unit::second), 10.0, 1e-6);
  EXPECT_NEAR(profile.level_errors[0], 0.0, 1e-9);
}

// Rows that no one link explains: half as if inside memory, half as if over a slow wire.
Profile mixed_profile() {
  Profile profile = made_profile();
  for (std::size_t i = 0; i < profile.collectives.size(); i += 2) {
    profile.collectives[i].timing = exactly(1000.0 * profile.collectives[i].timing.median);
  }
  return profile;
}

TEST(FitLevels, LeaveOutALinkThatTheNumbersDoNotFollow) {
  Profile profile = mixed_profile();
  fit_levels(profile);
  EXPECT_TRUE(profile.levels.empty());
  EXPECT_TRUE(profile.level_errors.empty());
}

// What pairs of ranks say is what a link is, with what it is worth for the collectives.
TEST(FitLevels, TakeWhatWasMeasuredBetweenPairs) {
  Profile profile = mixed_profile();
  MeasuredLevel level;
  level.name = "node";
  level.devices = 2;
  level.groups = {{0, 1}};
  level.latency = 5.0 * unit::microsecond;
  level.bandwidth = 10.0 * unit::gigabyte / unit::second;
  profile.topology.emplace().levels = {level};
  fit_levels(profile);
  ASSERT_EQ(profile.levels.size(), 1U);
  EXPECT_EQ(profile.levels[0].name, "node");
  EXPECT_DOUBLE_EQ(profile.levels[0].latency.in(unit::microsecond), 5.0);
  EXPECT_DOUBLE_EQ(profile.levels[0].bandwidth.in(unit::gigabyte / unit::second), 10.0);
  // Half of the rows are met, half are a thousand times slower.
  EXPECT_NEAR(profile.level_errors.at(0), 0.5, 0.01);
}

TEST(ClusterOf, TakesTheFastestGemmAsPeak) {
  const Cluster cluster = cluster_of(made_profile());
  EXPECT_NEAR(
      cluster.device.peak.at(DataType::fp32).in(unit::gigaflop / unit::second), 100.0, 1e-6);
  EXPECT_EQ(cluster.device.cores, 4);
  EXPECT_EQ(cluster.max_devices, 2);
}

// What `text` is refused with.
std::string refusal_of(const std::string& text) {
  try {
    (void)read_profile_text(text, "p.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "read";
}

TEST(ProfileText, CutAtAnyByteIsRefusedWithTheReason) {
  const std::string whole = to_json(made_profile()).dump();
  ASSERT_EQ(refusal_of(whole), "read");
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    ASSERT_EQ(refusal_of(whole.substr(0, bytes)).find("p.json: is not valid JSON: truncated"), 0U)
        << bytes;
  }
}

// No allocation follows a number in a file before it is checked, and no such number is cut down.
TEST(ProfileText, NumbersBeyondAnyMachineAreRefused) {
  const nlohmann::ordered_json whole = to_json(made_profile());
  const auto with = [&](const char* pointer, nlohmann::ordered_json value) {
    nlohmann::ordered_json changed = whole;
    changed[nlohmann::ordered_json::json_pointer(pointer)] = std::move(value);
    return refusal_of(changed.dump());
  };
  using testing::HasSubstr;
  EXPECT_THAT(with("/topology/ranks", 1e300), HasSubstr("1e+300 stands where a whole number"));
  EXPECT_THAT(with("/topology/ranks", 2.5), HasSubstr("2.5 stands where a whole number"));
  EXPECT_THAT(with("/topology/ranks", 9007199254740992), HasSubstr("more than 10000000 ranks"));
  EXPECT_THAT(with("/topology/ranks", 0), HasSubstr("fewer than one rank"));
  EXPECT_THAT(with("/kernels/0/samples", 18446744073709551615U), HasSubstr("a whole number"));
  EXPECT_THAT(with("/kernels/0/key", "gemm fp32 m=9000000000000 n=9000000000000 k=1 nt"),
              HasSubstr("more than any memory holds"));
  EXPECT_THAT(
      with("/collectives/0/key", "all_reduce fp32 bytes=8 ranks=-2 ranks_per_node=2 concurrent=1"),
      HasSubstr("is no collective of a machine"));
  EXPECT_THAT(with("/topology/levels/0/bandwidth_bytes_per_s", -1.0), HasSubstr("no bandwidth"));
  EXPECT_THAT(with("/device/memory_bytes", -1.0), HasSubstr("a negative size"));
}

TEST(ProfileText, HoldsNoNan) {
  std::string text = to_json(made_profile()).dump();
  const std::size_t at = text.find("\"median_s\":") + 11;
  text.replace(at, text.find(',', at) - at, "NaN");
  EXPECT_THAT(refusal_of(text), testing::HasSubstr("is not valid JSON"));
}

}  // namespace
}  // namespace forerun
