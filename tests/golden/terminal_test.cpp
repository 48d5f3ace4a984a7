// What people see: lines that fit, bars where the terminal can show them, whole rows in a pipe.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "estimator/cli/option_table.hpp"
#include "tests/estimator/import/log_text.hpp"
#include "tests/golden/program.hpp"
#include "units/text_width.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

/// Sets variables and puts back what was there.
class Environment {
 public:
  void set(const char* name, const char* value) {
    names_.push_back(name);
    ::setenv(name, value, 1);
  }

  Environment() = default;
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  Environment(Environment&&) = delete;
  Environment& operator=(Environment&&) = delete;

  ~Environment() {
    for (const char* const name : names_) {
      ::unsetenv(name);
    }
  }

 private:
  std::vector<const char*> names_;
};

/// What the program shows on a terminal of so many columns.
std::string shown_on_terminal(const std::string& arguments,
                              const fs::path& folder,
                              unsigned short columns) {
  winsize size{.ws_row = 50, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    const std::string command =
        "cd '" + folder.string() + "' && exec " + FORERUN_BIN_DIR + "/forerun " + arguments;
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  std::string text;
  std::array<char, 4096> piece{};
  for (ssize_t count = 0; (count = ::read(terminal, piece.data(), piece.size())) > 0;) {
    text.append(piece.data(), static_cast<std::size_t>(count));
  }
  ::close(terminal);
  ::waitpid(child, nullptr, 0);
  std::erase(text, '\r');
  return text;
}

/// The first line of a table and every `step`-th of the others: quicker, and as wide.
std::string sampled(const fs::path& table, int step) {
  std::ifstream file(table);
  std::string text;
  int at = 0;
  for (std::string line; std::getline(file, line); ++at) {
    text += at % step == 0 ? line + "\n" : "";
  }
  return text;
}

class Terminal : public testing::Test {
 protected:
  void SetUp() override {
    fs::copy_file(fs::path(FORERUN_SOURCE_DIR) / "tests/estimator/report/results/profile.json",
                  folder_.path() / "profile.json");
    folder_.write("tiny.json", tiny_llama);
    folder_.write("all_reduce_perf.log", nccl_log);
    folder_.write("some_runs.csv",
                  sampled(fs::path(FORERUN_REFERENCE_DATA) / "published/training_runs.csv", 7));
  }

  [[nodiscard]] const fs::path& folder() const { return folder_.path(); }

 private:
  TestFolder folder_;
};

/// Every verb that answers in a table, and every table that needs no data from elsewhere.
std::vector<std::string> calls() {
  std::vector<std::string> all{
      "estimate --model llama-3.1-405b --cluster dgx-h100 --devices 16384 --layout "
      "tp=8,pp=16,vp=8,dp=128 --batch 2048 --micro-batch 1 --seq 8192 --tokens 15T",
      "plan --model llama-3-8b --cluster dgx-h100 --devices 64..256 --batch 256 --seq 8192 "
      "--tokens "
      "1T --objective time,cost --top 3",
      "capacity --model llama-3-70b --cluster dgx-h100 --devices 64 --precision fp8 --ttft 500ms "
      "--tpot 50ms",
      "forecast --year 2030 --scenario epoch-trend --samples 2000 --sensitivity",
      "forecast --model gpt2 --cluster profile.json --days 30",
      "forecast --year 2030 --edge mem=16GB,bw=100GB/s",
      "show",
      "show --model llama-3.1-405b --model gpt2",
      "show --cluster dgx-h100",
      "show topology profile.json",
      "import --nccl-tests all_reduce_perf.log --out nccl.json",
      "show --compare profile.json profile.json",
      "measure --model tiny.json --seq 32 --kernels-only --precision fp32 --time-budget 1s --out "
      "p.json",
      "--help",
      "--version",
  };
  for (const Verb verb : all_verbs()) {
    all.push_back(std::string(name_of(verb)) + " --help");
  }
  const std::string data(FORERUN_REFERENCE_DATA);
  if (!data.empty() && fs::exists(data + "/published/training_runs.csv")) {
    all.push_back("validate --verbose --table some_runs.csv");
    all.push_back("validate --inference " + data + "/published/inference_runs.csv");
  }
  return all;
}

TEST_F(Terminal, NoLineIsWiderThanTheColumns) {
  Environment environment;
  for (const std::size_t columns : {80U, 120U}) {
    environment.set("COLUMNS", std::to_string(columns).c_str());
    for (const std::string& call : calls()) {
      const Outcome outcome = run_program(call, folder());
      ASSERT_TRUE(outcome.status == 0 || outcome.status == 3) << call << ": " << outcome.log;
      EXPECT_FALSE(outcome.out.empty()) << call;
      for (const std::string& line : lines_of(outcome.out)) {
        // A path that is longer than a line stays whole, to be copied.
        const bool is_one_word = line.find(' ', line.find_first_not_of(' ')) == std::string::npos;
        EXPECT_TRUE(columns_in(line) <= columns || is_one_word) << call << "\n" << line;
        EXPECT_THAT(line, Not(testing::EndsWith(" "))) << call;
      }
    }
  }
}

/// The words of a text, whatever lines they stand on.
std::multiset<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::multiset<std::string> words;
  for (std::string word; stream >> word;) {
    words.insert(word);
  }
  return words;
}

TEST_F(Terminal, ShortLinesLoseNothing) {
  for (const char* const call :
       {"estimate --model llama-3-70b --cluster dgx-h100 --devices 64 --layout tp=8 --batch 64",
        "show --model llama-3.1-405b",
        "show --cluster dgx-h100",
        "show topology profile.json"}) {
    const Outcome wide = run_program(call, folder());
    Environment environment;
    environment.set("COLUMNS", "50");
    // Columns that go on below repeat the name.
    const std::string narrow = run_program(call, folder()).out;
    EXPECT_TRUE(std::ranges::includes(words_of(narrow), words_of(wide.out))) << call << "\n"
                                                                             << narrow << wide.out;
  }
}

TEST_F(Terminal, APipeHasARowALine) {
  const auto models = nlohmann::json::parse(run_program("show --format json", folder()).out);
  const auto lines = lines_of(run_program("show", folder()).out);
  for (const auto& model : models["models"]) {
    const auto name = model["name"].get<std::string>() + " ";
    EXPECT_EQ(
        std::ranges::count_if(lines, [&](const auto& line) { return line.starts_with(name); }), 1)
        << name;
  }
  const std::string call = "capacity --model gpt2 --cluster dgx-h100 --devices 8";
  EXPECT_THAT(run_program(call, folder()).out, Not(HasSubstr("#")));
}

TEST_F(Terminal, LinesFitTheTerminal) {
  const std::string call = "show --model llama-3.1-405b";
  bool is_any_wider = false;
  for (const unsigned short columns : std::array<unsigned short, 2>{70, 110}) {
    const std::string text = shown_on_terminal(call, folder(), columns);
    ASSERT_THAT(text, HasSubstr("llama-3.1-405b"));
    for (const std::string& line : lines_of(text)) {
      EXPECT_LE(columns_in(line), columns) << line;
      is_any_wider = is_any_wider || columns_in(line) > 70;
    }
  }
  EXPECT_TRUE(is_any_wider);
}

TEST_F(Terminal, BarsAreOfTheEncodingAndNeedNoColour) {
  const std::string call =
      "estimate --model gpt2 --cluster dgx-h100 --devices 8 --layout dp=8 --batch 64";
  Environment environment;
  environment.set("TERM", "xterm");
  environment.set("LC_ALL", "C.UTF-8");
  EXPECT_THAT(shown_on_terminal(call, folder(), 100), HasSubstr("██"));
  environment.set("NO_COLOR", "1");
  const std::string colourless = shown_on_terminal(call, folder(), 100);
  EXPECT_THAT(colourless, HasSubstr("██"));
  EXPECT_THAT(colourless, Not(HasSubstr("\033")));
  environment.set("LC_ALL", "C");
  const std::string plain = shown_on_terminal(call, folder(), 100);
  EXPECT_THAT(plain, HasSubstr("##"));
  EXPECT_TRUE(std::ranges::all_of(plain, [](char sign) { return sign > 0; }));
}

}  // namespace
}  // namespace forerun
