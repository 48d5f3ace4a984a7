// Help and completion come from the table: nothing that parses is missing, nothing else is there.
#include "estimator/cli/help.hpp"

#include <array>
#include <cstdio>
#include <fstream>
#include <iomanip>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "estimator/cli/manual.hpp"
#include "tests/estimator/cli/parse.hpp"

namespace forerun {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

/// What bash offers after these words of a command line, one a line.
std::string offered_by_bash(const std::vector<std::string>& words) {
  std::string command = shown({"completion", "bash"}) + "COMP_WORDS=(";
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
  const std::string text = shown({"--help"});
  for (const char* const verb :
       {"measure", "rehearse", "estimate", "plan", "capacity", "forecast", "report", "show"}) {
    EXPECT_THAT(text, HasSubstr(std::string("\n  ") + verb));
  }
  EXPECT_THAT(text, Not(HasSubstr("\n  serve")));
}

TEST(Help, OfAVerbListsItsOptionsWithDefaults) {
  const std::string text = shown({"estimate", "--help"});
  EXPECT_THAT(text,
              HasSubstr("--recompute none|selective|full|MODULE+MODULE|block:N|block:N+N+...\n"));
  EXPECT_THAT(text, ContainsRegex("one N for every stage .default:[ \n]+none."));
}

TEST(Help, OfAVerbLeavesOutOptionsOfOthers) {
  EXPECT_THAT(shown({"estimate", "--help"}), Not(HasSubstr("--time-budget")));
}

TEST(Help, BeatsWhateverElseIsWrong) {
  EXPECT_THAT(shown({"measure", "--nonsense", "--help"}), HasSubstr("--time-budget TIME"));
}

TEST(Help, FitsIntoItsColumns) {
  const auto table = option_table();
  for (const std::size_t width : {std::size_t{60}, std::size_t{80}, usual_help_width}) {
    for (const Verb verb : all_verbs()) {
      std::istringstream lines(verb_help(verb, table, width));
      for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(line.size(), width) << line;
      }
    }
  }
}

/// The words of a command line, quotes taken off; what stands before "forerun" left out.
std::vector<std::string> words_of(std::string_view command) {
  std::istringstream stream(std::string(command.substr(command.find("forerun ") + 8)));
  std::vector<std::string> words;
  for (std::string word; stream >> std::quoted(word);) {
    words.push_back(word);
  }
  return words;
}

/// As a shell reads it: lines that end in a backslash go on in the next.
std::string joined(std::string text) {
  for (std::size_t at = text.find(" \\\n"); at != std::string::npos; at = text.find(" \\\n")) {
    text.erase(at, text.find_first_not_of(' ', at + 3) - at - 1);
  }
  return text;
}

TEST(Help, GivesTwoExamplesThatParse) {
  const auto table = option_table();
  for (const Verb verb : all_verbs()) {
    const auto examples = examples_of(verb);
    ASSERT_EQ(examples.size(), 2U);
    for (const std::string_view example : examples) {
      EXPECT_THAT(joined(verb_help(verb, table, 80)),
                  HasSubstr("\n  " + std::string(example) + "\n"));
      EXPECT_EQ(complaint_about(words_of(example)), "accepted") << example;
    }
  }
}

TEST(Version, BeginsWithOneLineAndNamesCompilersAndLibraries) {
  const std::string text = shown({"--version"});
  EXPECT_THAT(text, ContainsRegex("^forerun [0-9]+\\.[0-9]+\\.[0-9]+[^\n]*\n"));
  for (const char* const part : {"C++ ", "MPI ", "oneDNN ", "CUDA ", "NCCL "}) {
    EXPECT_THAT(text, HasSubstr(std::string("\n") + part));
  }
}

TEST(Manual, ListsWhatHelpLists) {
  const auto table = option_table();
  for (const Verb verb : all_verbs()) {
    const std::string page = manual_page(verb, table);
    EXPECT_THAT(page, testing::StartsWith(".TH forerun\\-" + std::string(name_of(verb))));
    for (const OptionRow& row : table) {
      std::string name = row.name;
      for (std::size_t at = name.find('-'); at != std::string::npos; at = name.find('-', at + 2)) {
        name.insert(at, "\\");
      }
      const bool is_there = page.find("\n.B \\-\\-" + name + " ") != std::string::npos;
      EXPECT_EQ(is_there, takes(row, verb)) << row.name;
    }
  }
  EXPECT_THAT(manual_page(std::nullopt, table), HasSubstr("FORERUN_DATA"));
}

TEST(Completion, OffersVerbs) {
  EXPECT_EQ(offered_by_bash({"forerun", "reh"}), "rehearse\n");
}

TEST(Completion, OffersOptionsOfTheVerb) {
  EXPECT_EQ(offered_by_bash({"forerun", "measure", "--time"}), "--time-budget\n");
  EXPECT_EQ(offered_by_bash({"forerun", "estimate", "--time"}), "\n");
}

TEST(Completion, OffersTheWordsOfAnOption) {
  EXPECT_EQ(offered_by_bash({"forerun", "estimate", "--precision", "bf"}), "bf16\n");
}

TEST(Completion, OffersNamesOfTheCatalog) {
  EXPECT_EQ(offered_by_bash({"forerun", "estimate", "--model", "llama-3.1-4"}), "llama-3.1-405b\n");
  EXPECT_EQ(offered_by_bash({"forerun", "plan", "--teacher", "llama-3.1-4"}), "llama-3.1-405b\n");
  EXPECT_EQ(offered_by_bash({"forerun", "plan", "--cluster", "dgx-h1"}), "dgx-h100\n");
  EXPECT_EQ(offered_by_bash({"forerun", "forecast", "--scenario", "epoch-t"}), "epoch-trend\n");
  // Of a file none begins so: the shell completes it itself.
  EXPECT_EQ(offered_by_bash({"forerun", "estimate", "--model", "./"}), "\n");
  const std::string zsh = shown({"completion", "zsh"});
  EXPECT_THAT(zsh,
              ContainsRegex("_forerun_cluster\\(\\) \\{\n  _alternative 'names:name:.*dgx-h100"));
  EXPECT_THAT(zsh, HasSubstr(":_forerun_cluster' "));
}

TEST(Completion, KnowsNoOtherShell) {
  EXPECT_THAT(complaint_about({"completion", "fish"}), HasSubstr("expected bash or zsh"));
}

}  // namespace
}  // namespace forerun
