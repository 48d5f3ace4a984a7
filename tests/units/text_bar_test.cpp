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

TEST(TextBar, IsAbsentWhereTheReaderWantsNoColour) {
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(bar_style_of_standard_output(), BarStyle::none);
  ::unsetenv("NO_COLOR");
}

}  // namespace
}  // namespace forerun
