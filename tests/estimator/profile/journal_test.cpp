// The journal: every record survives a kill, half a line does not poison the rest.
#include "estimator/profile/journal.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "estimator/profile/profile_json.hpp"
#include "tests/estimator/profile/made_profile.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;

class JournalFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::temp_directory_path() / (std::string("forerun_journal_") +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
    profile_path_ = (folder_ / "p.json").string();
    journal_path_ = (folder_ / "p.json.journal").string();
  }

  void TearDown() override { fs::remove_all(folder_); }

  void write_two_records() {
    const Profile made = made_profile();
    Journal journal(journal_path_, head_);
    journal.append(to_json(made.kernels[0]));
    journal.append(to_json(made.collectives[0]));
  }

  Profile resumed() {
    Profile profile;
    resume_records(profile_path_, journal_path_, head_, profile);
    return profile;
  }

  nlohmann::ordered_json head_{
      {"device", "a CPU"}, {"cores_per_device", 4}, {"ranks", 2}, {"ranks_per_node", 2}};
  fs::path folder_;
  std::string profile_path_;
  std::string journal_path_;
};

TEST_F(JournalFile, GivesBackItsRecords) {
  write_two_records();
  const Profile profile = resumed();
  ASSERT_EQ(profile.kernels.size(), 1U);
  ASSERT_EQ(profile.collectives.size(), 1U);
  EXPECT_EQ(profile.kernels[0].key, made_profile().kernels[0].key);
}

TEST_F(JournalFile, DropsALineThatAKillCutOff) {
  write_two_records();
  std::ofstream(journal_path_, std::ios::app) << R"({"key":"gemm fp32 m=5)";
  EXPECT_EQ(resumed().kernels.size(), 1U);
  {
    Journal journal(journal_path_, head_);
    journal.append(to_json(made_profile().kernels[1]));
  }
  EXPECT_EQ(resumed().kernels.size(), 2U);
}

TEST_F(JournalFile, OfAnotherMachineIsRefused) {
  write_two_records();
  head_["ranks"] = 4;
  EXPECT_THROW((void)resumed(), InputError);
}

TEST_F(JournalFile, MissingTheFinishedProfileSpeaks) {
  write_atomically(profile_path_, to_json(made_profile()).dump());
  EXPECT_EQ(resumed().kernels.size(), 3U);
}

TEST_F(JournalFile, SaysWhichFileCannotBeWritten) {
  try {
    const Journal journal("/nonexistent/folder/p.journal", head_);
    ADD_FAILURE() << "opened";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("/nonexistent/folder/p.journal"), std::string::npos);
  }
}

// /dev/full accepts the open and refuses every write, as a full disk does.
TEST_F(JournalFile, AFullDiskIsAnErrorNotALoss) {
  EXPECT_THROW(Journal("/dev/full", head_).append(to_json(made_profile().kernels[0])),
               std::runtime_error);
}

TEST_F(JournalFile, WriteAtomicallyLeavesTheOldFileWhenItFails) {
  write_atomically(profile_path_, "old");
  fs::create_directories(profile_path_ + ".partial");
  EXPECT_THROW(write_atomically(profile_path_, "new"), std::runtime_error);
  std::string text;
  std::ifstream(profile_path_) >> text;
  EXPECT_EQ(text, "old");
}

}  // namespace
}  // namespace forerun
