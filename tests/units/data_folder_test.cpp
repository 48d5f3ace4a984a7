// A user's own catalog is found by the names of its files, and only there.
#include "units/data_folder.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/input_error.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;

class DataFolder : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "models");
    for (const char* const name : {"ours.json", "theirs.json", "notes.txt"}) {
      std::ofstream(folder_ / "models" / name) << "{}";
    }
    ::setenv("FORERUN_DATA", folder_.c_str(), 1);
  }

  void TearDown() override {
    ::unsetenv("FORERUN_DATA");
    fs::remove_all(folder_);
  }

  [[nodiscard]] const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_ = fs::path(testing::TempDir()) / "forerun_data_folder";
};

TEST_F(DataFolder, NamesItsFilesInOrder) {
  EXPECT_THAT(own_catalog_names("models", ".json"), testing::ElementsAre("ours", "theirs"));
  EXPECT_THAT(own_catalog_names("clusters", ".toml"), testing::IsEmpty());
}

TEST_F(DataFolder, FindsAFileByItsName) {
  EXPECT_EQ(own_catalog_file("models", "ours", ".json"),
            (folder() / "models" / "ours.json").string());
  EXPECT_EQ(own_catalog_file("models", "gpt2", ".json"), std::nullopt);
}

TEST_F(DataFolder, LeavesPathsAlone) {
  EXPECT_EQ(own_catalog_file("models", "../models/ours", ".json"), std::nullopt);
}

TEST_F(DataFolder, StandsBeforeTheInstalledOne) {
  const auto folders = data_folders();
  ASSERT_EQ(folders.size(), 2);
  EXPECT_EQ(folders[0], folder());
  EXPECT_EQ(folders[1].filename(), "forerun");
  EXPECT_EQ(folders[1].parent_path().filename(), "share");
}

TEST_F(DataFolder, IsToldWhenTheVariableNamesNone) {
  ::setenv("FORERUN_DATA", (folder() / "models" / "ours.json").c_str(), 1);
  EXPECT_THROW(static_cast<void>(own_catalog_file("models", "gpt2", ".json")), InputError);
  ::setenv("FORERUN_DATA", "/no/such/folder", 1);
  EXPECT_THROW(static_cast<void>(data_folders()), InputError);
}

TEST_F(DataFolder, IsEmptyWithoutTheVariable) {
  ::unsetenv("FORERUN_DATA");
  EXPECT_EQ(own_catalog_file("models", "ours", ".json"), std::nullopt);
  EXPECT_THAT(own_catalog_names("models", ".json"), testing::IsEmpty());
}

}  // namespace
}  // namespace forerun
