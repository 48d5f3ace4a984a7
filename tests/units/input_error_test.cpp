// Messages for wrong input name the nearest valid choice.
#include "units/input_error.hpp"

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(Nearest, FindsTheSmallestEditDistance) {
  const std::vector<std::string> models{"gpt2", "llama-3-8b", "mixtral-8x7b"};
  EXPECT_EQ(nearest("lama-3-8b", models), "llama-3-8b");
  EXPECT_EQ(nearest("gtp2", models), "gpt2");
  const std::vector<std::string> stages{"0", "1", "2", "3"};
  EXPECT_EQ(nearest("4", stages), "3");
}

// Against one letter left out and one changed for "--sp".
TEST(Nearest, CountsTwoLettersThatChangedPlacesOnce) {
  EXPECT_EQ(nearest("--fspd", std::vector<std::string>{"--sp", "--fsdp"}), "--fsdp");
  EXPECT_EQ(nearest("--yera", std::vector<std::string>{"--zero", "--year"}), "--year");
}

TEST(Nearest, IsEmptyWithoutCandidates) {
  EXPECT_EQ(nearest("x", {}), "");
}

TEST(Listed, ReadsLikeASentence) {
  EXPECT_EQ(listed(std::vector<std::string>{"a", "b", "c"}), "a, b or c");
  EXPECT_EQ(listed(std::vector<std::string>{"a"}), "a");
}

TEST(InputError, SaysWhereFirst) {
  EXPECT_STREQ(InputError("a100.toml:14", "bandwidth has no unit").what(),
               "a100.toml:14: bandwidth has no unit");
}

}  // namespace
}  // namespace forerun
