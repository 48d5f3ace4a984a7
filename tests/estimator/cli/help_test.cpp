// Help and completion come from the table: nothing that parses is missing, nothing else is there.
#include "estimator/cli/help.hpp"

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/estimator/cli/parse.hpp"

namespace forerun {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

/// What bash offers after these words of a command line, one a line.
std::string offered_by_bash(const std::vector<std::string>& words) {
  std::string command = text_of({"completion", "bash"}) + "COMP_WORDS=(";
  for (const std::string& word : words) {
    command += "'" + word + "' ";
  }
  command += "); COMP_CWORD=" + std::to_string(words.size() - 1) +
             "; _forerun; printf '%s\\n' \"${COMPREPLY[@]}\"\n";
  const std::string script = testing::TempDir() + "forerun_completion.bash";
  std::ofstream(script) << command;
  FILE* const bash = popen(("bash " + script).c_str(), "r");
  std::string output;
  std::array<char, 256> piece{};
  while (bash != nullptr && fgets(piece.data(), piece.size(), bash) != nullptr) {
    output += piece.data();
  }
  EXPECT_EQ(pclose(bash), 0);
  return output;
}

TEST(Help, ListsTheVerbsThatExist) {
  const std::string text = text_of({"--help"});
  for (const char* const verb : {"measure", "rehearse", "estimate", "forecast", "show"}) {
    EXPECT_THAT(text, HasSubstr(std::string("\n  ") + verb));
  }
  EXPECT_THAT(text, Not(HasSubstr("capacity")));
}

TEST(Help, OfAVerbListsItsOptionsWithDefaults) {
  const std::string text = text_of({"estimate", "--help"});
  EXPECT_THAT(text, ContainsRegex("--recompute none.full  .*\\(default: none\\)"));
}

TEST(Help, OfAVerbLeavesOutOptionsOfOthers) {
  EXPECT_THAT(text_of({"estimate", "--help"}), Not(HasSubstr("--time-budget")));
}

TEST(Help, BeatsWhateverElseIsWrong) {
  EXPECT_THAT(text_of({"measure", "--nonsense", "--help"}), HasSubstr("--time-budget TIME"));
}

TEST(Help, FitsIntoAHundredColumns) {
  const auto table = option_table();
  for (const Verb verb : all_verbs()) {
    std::istringstream lines(verb_help(verb, table));
    for (std::string line; std::getline(lines, line);) {
      const bool is_example = line.find("forerun ") != std::string::npos;
      EXPECT_TRUE(line.size() <= 100 || is_example) << line;
    }
  }
}

TEST(Help, GivesExamplesThatParse) {
  const auto table = option_table();
  for (const Verb verb : all_verbs()) {
    const std::string text = verb_help(verb, table);
    const std::size_t begin = text.find("forerun ", text.find("Example:")) + 8;
    std::istringstream words(text.substr(begin, text.find('\n', begin) - begin));
    std::vector<std::string> arguments;
    for (std::string word; words >> word;) {
      arguments.push_back(word);
    }
    EXPECT_EQ(complaint_about(arguments), "accepted");
  }
}

TEST(Version, IsOneLine) {
  EXPECT_THAT(text_of({"--version"}), ContainsRegex("^forerun [0-9]+\\.[0-9]+\\.[0-9]+[^\n]*\n$"));
}

TEST(Completion, OffersVerbs) {
  EXPECT_EQ(offered_by_bash({"forerun", "re"}), "rehearse\n");
}

TEST(Completion, OffersOptionsOfTheVerb) {
  EXPECT_EQ(offered_by_bash({"forerun", "measure", "--time"}), "--time-budget\n");
  EXPECT_EQ(offered_by_bash({"forerun", "estimate", "--time"}), "\n");
}

TEST(Completion, OffersTheWordsOfAnOption) {
  EXPECT_EQ(offered_by_bash({"forerun", "estimate", "--precision", "bf"}), "bf16\n");
}

TEST(Completion, KnowsNoOtherShell) {
  EXPECT_THAT(complaint_about({"completion", "fish"}), HasSubstr("expected bash"));
}

}  // namespace
}  // namespace forerun
