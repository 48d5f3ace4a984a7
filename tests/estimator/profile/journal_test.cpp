// The journal: every record survives a kill, half a line does not poison the rest.
#include "estimator/profile/journal.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "estimator/profile/profile_json.hpp"
#include "tests/estimator/profile/made_profile.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

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
    Journal journal(journal_path_, Journal::Start::resume);
    journal.append(journal_head(head_, false));
    journal.append(to_json(made.kernels[0]));
    journal.append(to_json(made.collectives[0]));
  }

  Profile resumed() {
    Profile profile;
    resume_records({text_of(journal_path_), text_of(profile_path_)}, profile_path_, head_, profile);
    return profile;
  }

  static std::string text_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
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
    Journal journal(journal_path_, Journal::Start::resume);
    EXPECT_EQ(std::ranges::count(journal.earlier(), '\n'), 3);
    journal.append(to_json(made_profile().kernels[1]));
  }
  EXPECT_EQ(resumed().kernels.size(), 2U);
}

// Whatever byte a kill or a full disk stopped at: every whole line counts, and no other.
TEST_F(JournalFile, CutAtAnyByteGoesOnFromItsLastWholeRecord) {
  write_two_records();
  const std::string whole = text_of(journal_path_);
  for (std::size_t bytes = 0; bytes <= whole.size(); ++bytes) {
    SCOPED_TRACE(bytes);
    const std::string cut = whole.substr(0, bytes);
    const auto lines = static_cast<std::size_t>(std::ranges::count(cut, '\n'));
    // A file of each kind of place: a line's ends and its middle.
    const bool is_tried = bytes % 61 == 0 || cut.ends_with('\n') || whole.substr(bytes, 1) == "\n";
    std::string kept = cut.substr(0, cut.rfind('\n') + 1);
    if (is_tried) {
      std::ofstream(journal_path_) << cut;
      kept = Journal(journal_path_, Journal::Start::resume).earlier();
      EXPECT_EQ(text_of(journal_path_), kept);
    }
    Profile profile;
    resume_records({kept, ""}, profile_path_, head_, profile);
    EXPECT_EQ(profile.kernels.size() + profile.collectives.size(), lines == 0 ? 0 : lines - 1);
  }
}

TEST_F(JournalFile, BelongsToOneRunAtATime) {
  {
    const Journal first(journal_path_, Journal::Start::afresh);
    try {
      const Journal second(journal_path_, Journal::Start::afresh);
      ADD_FAILURE() << "two runs write one journal";
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("another run of forerun is writing it"));
    }
  }
  EXPECT_NO_THROW(Journal(journal_path_, Journal::Start::afresh));
}

// The journal that goes on from a finished profile holds none of its records: it says so.
TEST_F(JournalFile, GoesOnFromTheFinishedProfileBesideIt) {
  write_atomically(profile_path_, to_json(made_profile()).dump());
  {
    Journal journal(journal_path_, Journal::Start::resume);
    journal.append(journal_head(head_, true));
    KernelRecord fourth = made_profile().kernels[0];
    fourth.key = gemm_key(4096);
    journal.append(to_json(fourth));
  }
  EXPECT_EQ(resumed().kernels.size(), 4U);
}

// A machine has one: a second run that goes on from the first must not measure another.
TEST_F(JournalFile, KeepsTheMachinesFactorOfAFinishedProfile) {
  Profile finished = made_profile();
  finished.layer_factor =
      LayerFactor{"gpt2", "tp=2", "fp32", 3.0 * unit::millisecond, 4.0 * unit::millisecond};
  finished.noise = {{1, 1.5 * unit::millisecond, 0.0}, {2, 1.5 * unit::millisecond, 0.04}};
  write_atomically(profile_path_, to_json(finished).dump());
  const Profile profile = resumed();
  EXPECT_EQ(profile.noise, finished.noise);
  ASSERT_TRUE(profile.layer_factor);
  EXPECT_DOUBLE_EQ(profile.layer_factor->factor(), 0.75);
}

TEST_F(JournalFile, OfAnAfreshRunReplacesTheProfileBesideIt) {
  write_atomically(profile_path_, to_json(made_profile()).dump());
  write_two_records();
  EXPECT_EQ(resumed().kernels.size(), 1U);
}

TEST_F(JournalFile, WithALineThatIsNoRecordIsRefused) {
  write_two_records();
  std::ofstream(journal_path_, std::ios::app) << "[1, 2]\n";
  EXPECT_THROW((void)resumed(), InputError);
}

TEST_F(JournalFile, IsWrittenWithTheUmaskOfTheUser) {
  const mode_t before = ::umask(0002);
  write_two_records();
  write_atomically(profile_path_, "{}");
  ::umask(before);
  const auto mode = fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read |
                    fs::perms::group_write | fs::perms::others_read;
  EXPECT_EQ(fs::status(journal_path_).permissions(), mode);
  EXPECT_EQ(fs::status(profile_path_).permissions(), mode);
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
    const Journal journal("/nonexistent/folder/p.journal", Journal::Start::resume);
    ADD_FAILURE() << "opened";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("/nonexistent/folder/p.journal"), std::string::npos);
  }
}

// /dev/full accepts the open and refuses every write, as a full disk does.
TEST_F(JournalFile, AFullDiskIsAnErrorNotALoss) {
  EXPECT_THROW(Journal("/dev/full", Journal::Start::resume).append(head_), std::runtime_error);
}

// As root, a file in the place of /dev/null would stay there for everybody.
TEST_F(JournalFile, WriteAtomicallyLeavesAPipeAPipe) {
  ASSERT_EQ(::mkfifo(profile_path_.c_str(), 0600), 0);
  const int reader = ::open(profile_path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  const std::string link = (folder_ / "link").string();
  fs::create_symlink("/proc/self/fd/" + std::to_string(reader), link);
  write_atomically(profile_path_, "a");
  write_atomically(link, "b");
  EXPECT_TRUE(fs::is_fifo(profile_path_));
  EXPECT_TRUE(fs::is_symlink(link));
  std::array<char, 4> text{};
  EXPECT_EQ(::read(reader, text.data(), text.size()), 2);
  EXPECT_EQ(std::string(text.data()), "ab");
  ::close(reader);
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
