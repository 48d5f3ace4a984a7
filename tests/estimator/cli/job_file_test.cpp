// Options that come from a job file, alone and together with flags.
#include "estimator/cli/job_file.hpp"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/estimator/cli/parse.hpp"

namespace forerun {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string complaint_about_text(std::string_view text) {
  try {
    static_cast<void>(read_job_text(text, "job.toml", option_table()));
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

/// A job file that is removed with its test.
class JobFile : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  std::string holding(std::string_view text) {
    std::ofstream(path_) << text;
    return path_;
  }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() /
                       ("forerun_job_" + std::to_string(getpid()) + ".toml"))
                          .string();
};

TEST_F(JobFile, HoldsOptionsUnderTheirNames) {
  const std::string path = holding(
      "model = \"gpt2\"\ncluster = \"dgx-h100\"\nlayout = \"tp=8\"\nbatch = 2048\n"
      "micro-batch = \"2\"\ntokens = 15e12\nsp = false\nstrict = true\nzero = 0\n");
  const Options options = options_of({"estimate", "--job", path});
  EXPECT_THAT(options.models, ElementsAre("gpt2"));
  EXPECT_EQ(options.cluster, "dgx-h100");
  EXPECT_EQ(options.layout, "tp=8");
  EXPECT_EQ(options.batch, 2048);
  EXPECT_EQ(options.micro_batch, 2);
  EXPECT_DOUBLE_EQ(options.tokens.value(), 15e12);
  EXPECT_EQ(options.sequence_parallel, SequenceParallel::off);
  EXPECT_TRUE(options.strict);
  EXPECT_EQ(options.zero, ZeroStage::none);
}

TEST_F(JobFile, NamesNoFileElsewhere) {
  for (const char* option : {"model", "cluster", "out"}) {
    for (const char* place : {"/etc/passwd", "../../../../../../../etc/passwd"}) {
      EXPECT_THAT(complaint_about(
                      {"estimate", "--job", holding(fmt::format("{} = \"{}\"\n", option, place))}),
                  HasSubstr("is outside the folders of this file and of the call"));
    }
  }
}

TEST_F(JobFile, HoldsRepeatedOptionsInAnArray) {
  const std::string path = holding("model = [\"gpt2\", \"gpt2-xl\"]\n");
  EXPECT_THAT(options_of({"measure", "--job", path}).models, ElementsAre("gpt2", "gpt2-xl"));
}

TEST_F(JobFile, IsBeatenByAFlag) {
  const std::string path = holding("model = \"gpt2\"\nbatch = 8\nseq = 512\n");
  const Options options =
      options_of({"measure", "--batch", "16", "--job", path, "--model", "gpt2-xl"});
  EXPECT_THAT(options.models, ElementsAre("gpt2-xl"));
  EXPECT_EQ(options.batch, 16);
  EXPECT_EQ(options.sequence, 512);
}

TEST_F(JobFile, MayHoldOptionsOfOtherVerbs) {
  const std::string path = holding("model = \"gpt2\"\ncluster = \"c.toml\"\n");
  EXPECT_FALSE(options_of({"measure", "--job", path}).cluster.has_value());
}

TEST_F(JobFile, IsCheckedForOtherVerbsToo) {
  const std::string path = holding("model = \"gpt2\"\ndevices = 1.5\n");
  EXPECT_EQ(complaint_about({"measure", "--job", path}),
            path +
                ":2: devices: '1.5' is not a whole number of at least 1 (expected one like 2048 "
                "or 2K)");
}

TEST_F(JobFile, MustExist) {
  EXPECT_EQ(complaint_about({"measure", "--job", "/nowhere/job.toml"}),
            "/nowhere/job.toml: cannot be read (expected a TOML file, Megatron-LM's arguments or a "
            "NeMo YAML)");
}

TEST(JobText, NamesLineAndNearestKeyOfAnUnknownOne) {
  EXPECT_EQ(complaint_about_text("batch = 1\nlayuot = \"tp=2\"\n"),
            "job.toml:2: unknown option 'layuot' (did you mean layout?)");
}

TEST(JobText, NamesTheLineThatDoesNotParse) {
  EXPECT_THAT(complaint_about_text("batch = 1\nseq = \n"), HasSubstr("job.toml:2: "));
}

TEST(JobText, RefusesATable) {
  EXPECT_EQ(complaint_about_text("[batch]\nglobal = 2\n"),
            "job.toml:1: batch: expected one string, number, true or false");
}

TEST(JobText, RefusesAnArrayForASingleOption) {
  EXPECT_THAT(complaint_about_text("batch = [1, 2]\n"), HasSubstr("job.toml:1: batch: expected"));
}

}  // namespace
}  // namespace forerun
