// The line says rate and remaining time, is not in the way of short work, and goes when work ends.
#include "units/progress_line.hpp"

#include <cstdlib>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forerun {
namespace {

using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;

TEST(ProgressLine, SaysShareRateAndWhatIsLeft) {
  std::ostringstream out;
  ProgressLine line(&out, "plan", "layouts");
  // A quarter in ten seconds: thirty more.
  line.show(0.25, 2'000.0, line.start() + seconds(10));
  EXPECT_THAT(out.str(),
              HasSubstr("|======                  | plan 25 %, 200 layouts/s, 30 s left"));
}

TEST(ProgressLine, IsNotLongerThanALineOfTheTerminal) {
  ::setenv("COLUMNS", "44", 1);
  std::ostringstream out;
  ProgressLine line(&out, "plan", "layouts");
  line.show(0.25, 2'000.0, line.start() + seconds(10));
  ::unsetenv("COLUMNS");
  EXPECT_EQ(out.str(), "\r\033[K|======                  | plan 25 %, 200 l~");
}

TEST(ProgressLine, WaitsASecond) {
  std::ostringstream out;
  {
    ProgressLine line(&out, "plan", "layouts");
    line.show(0.5, 10.0, line.start());
  }
  EXPECT_EQ(out.str(), "");
}

TEST(ProgressLine, IsTakenAway) {
  std::ostringstream out;
  {
    ProgressLine line(&out, "plan", "layouts");
    line.show(0.5, 10.0, line.start() + seconds(2));
  }
  EXPECT_THAT(out.str(), EndsWith("\r\033[K"));
}

TEST(ProgressLine, SaysNothingToNobody) {
  ProgressLine line(nullptr, "plan", "layouts");
  EXPECT_NO_THROW(line.show(0.5, 10.0, line.start() + seconds(2)));
}

}  // namespace
}  // namespace forerun
