// A running measurement says how fast it goes and when it ends.
#include "estimator/measure/progress.hpp"

#include <cstdlib>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "units/unit.hpp"

namespace forerun {
namespace {

using testing::ContainsRegex;

Timing some_timing() {
  Timing timing;
  timing.median = 1.0 * unit::millisecond;
  timing.low = timing.high = timing.median;
  timing.samples = 6;
  return timing;
}

TEST(Progress, BarSaysCountRateAndRest) {
  std::ostringstream text;
  Progress progress(
      {text, nullptr, ProgressStyle::bar}, 60.0 * unit::second, Progress::Voice::speaks);
  progress.begin("kernels", 150);
  progress.measured({{"median_s", 1e-3}}, "gemm", some_timing());
  EXPECT_THAT(text.str(),
              ContainsRegex("kernels 1/150 .* s of 60 s at most, .* keys/s, kernels ends"));
}

TEST(Progress, BarIsNotLongerThanALineOfTheTerminal) {
  ::setenv("COLUMNS", "50", 1);
  std::ostringstream text;
  Progress progress(
      {text, nullptr, ProgressStyle::bar}, 60.0 * unit::second, Progress::Voice::speaks);
  progress.begin("kernels", 150);
  progress.measured({{"median_s", 1e-3}}, "gemm", some_timing());
  ::unsetenv("COLUMNS");
  const std::string shown = text.str();
  EXPECT_EQ(shown.size() - shown.rfind('K') - 1, 50U) << shown;
}

}  // namespace
}  // namespace forerun
