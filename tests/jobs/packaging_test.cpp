// The container and the Spack package ask for the versions that the README and the build name.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forerun {
namespace {

using testing::HasSubstr;

std::string source_text(const std::string& path) {
  std::ifstream file(std::string(FORERUN_SOURCE_DIR) + "/" + path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// What the parentheses of the pattern hold where it first matches.
std::string found(const std::string& text, const std::string& pattern) {
  std::smatch match;
  EXPECT_TRUE(std::regex_search(text, match, std::regex(pattern))) << pattern;
  return match.empty() ? "nothing" : match[1].str();
}

class Packaging : public testing::Test {
 protected:
  std::string readme_ = source_text("README.md");
  std::string build_ = source_text("CMakeLists.txt");
  std::string dependencies_ = source_text("cmake/dependencies.cmake");
  std::string container_ = source_text("jobs/apptainer/forerun.def");
  std::string spack_ = source_text("jobs/spack/packages/forerun/package.py");
};

TEST_F(Packaging, OfTheContainerIsOnTheSystemOfTheReadme) {
  const std::string debian = found(readme_, "Debian ([0-9]+) \\(Open MPI");
  EXPECT_THAT(container_, HasSubstr("From: debian:" + debian + "\n"));
  const std::string series = found(readme_, "Open MPI ([0-9]+[.][0-9]+)");
  EXPECT_THAT(container_, HasSubstr("Debian " + debian + "'s,\n# " + series));
  EXPECT_THAT(container_, HasSubstr("cuDNN " + found(readme_, "cuDNN ([0-9]+) and NCCL")));
}

TEST_F(Packaging, OfSpackAsksForTheVersionsOfTheReadme) {
  EXPECT_EQ(found(spack_, "openmpi@([0-9.]+):"), found(readme_, "Open MPI ([0-9]+[.][0-9]+)"));
  EXPECT_EQ(found(spack_, "onednn@([0-9.]+):"), found(readme_, "oneDNN ([0-9]+[.][0-9]+)"));
  EXPECT_EQ(found(spack_, "cudnn@([0-9]+):"), found(readme_, "cuDNN ([0-9]+) and NCCL"));
}

TEST_F(Packaging, AsksForTheVersionsOfTheBuild) {
  EXPECT_EQ(found(spack_, "cmake@([0-9.]+):"),
            found(build_, "cmake_minimum_required\\(VERSION ([0-9.]+)"));
  EXPECT_EQ(found(spack_, "boost@([0-9.]+):"), found(dependencies_, "Boost ([0-9.]+)"));
  const std::string version = found(build_, "project\\(forerun VERSION ([0-9.]+)");
  EXPECT_THAT(spack_, HasSubstr("version(\"" + version + "\")"));
  EXPECT_THAT(container_, HasSubstr("Version " + version + "\n"));
}

TEST_F(Packaging, SaysThatItWasNotBuilt) {
  EXPECT_THAT(container_, HasSubstr("NOT BUILT HERE"));
  EXPECT_THAT(spack_, HasSubstr("NOT BUILT HERE"));
}

}  // namespace
}  // namespace forerun
