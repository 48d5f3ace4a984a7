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

TEST(ClusterOf, TakesTheFastestGemmAsPeak) {
  const Cluster cluster = cluster_of(made_profile());
  EXPECT_NEAR(
      cluster.device.peak.at(DataType::fp32).in(unit::gigaflop / unit::second), 100.0, 1e-6);
  EXPECT_EQ(cluster.device.cores, 4);
  EXPECT_EQ(cluster.max_devices, 2);
}

}  // namespace
}  // namespace forerun
