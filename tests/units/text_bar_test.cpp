// Bars appear only on streams that were told to have them, and have the length of their share.
#include "units/text_bar.hpp"

#include <cstdlib>
#include <sstream>

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(TextBar, IsAbsentUnlessAskedFor) {
  std::ostringstream out;
  EXPECT_EQ(bar_text(out, 0.5), "");
}

TEST(TextBar, IsAsLongAsItsShare) {
  std::ostringstream out;
  set_bar_style(out, BarStyle::ascii);
  EXPECT_EQ(bar_text(out, 0.5, 8), "  ####");
  EXPECT_EQ(bar_text(out, 0.0, 8), "");
}

TEST(TextBar, CountsEighthsInUtf8) {
  std::ostringstream out;
  set_bar_style(out, BarStyle::blocks);
  // 2.5 characters of 4.
  EXPECT_EQ(bar_text(out, 0.625, 4), "  ██▌");
}

TEST(TextBar, StopsAtItsEnds) {
  std::ostringstream out;
  set_bar_style(out, BarStyle::ascii);
  EXPECT_EQ(bar_text(out, 1.7, 4), "  ####");
  EXPECT_EQ(bar_text(out, -1.0, 4), "");
}

// What the environment says is put back.
class TerminalBars : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("LC_ALL", "en_US.UTF-8", 1);
    ::setenv("TERM", "xterm", 1);
  }

  void TearDown() override {
    for (const char* const name : {"LC_ALL", "TERM", "NO_COLOR"}) {
      ::unsetenv(name);
    }
  }
};

TEST_F(TerminalBars, AreBlocksInUtf8HoweverItIsSpelled) {
  EXPECT_EQ(bar_style_of_terminal(), BarStyle::blocks);
  ::setenv("LC_ALL", "de_DE.utf8", 1);
  EXPECT_EQ(bar_style_of_terminal(), BarStyle::blocks);
}

TEST_F(TerminalBars, AreAsciiInOtherEncodingsAndOnADumbTerminal) {
  ::setenv("TERM", "dumb", 1);
  EXPECT_EQ(bar_style_of_terminal(), BarStyle::ascii);
  ::setenv("TERM", "xterm", 1);
  ::setenv("LC_ALL", "C", 1);
  EXPECT_EQ(bar_style_of_terminal(), BarStyle::ascii);
}

// They have none.
TEST_F(TerminalBars, StayWithoutColour) {
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(bar_style_of_terminal(), BarStyle::blocks);
}

}  // namespace
}  // namespace forerun
