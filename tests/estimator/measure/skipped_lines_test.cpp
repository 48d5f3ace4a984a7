// What was left out is told in a few lines, however much it is.
#include "estimator/measure/skipped_lines.hpp"

#include <algorithm>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace forerun {
namespace {

std::string lines_of(int count) {
  nlohmann::ordered_json skipped = nlohmann::ordered_json::array();
  for (int i = 0; i < count; ++i) {
    skipped.push_back("gemm " + std::to_string(i) + ": time budget");
  }
  std::ostringstream out;
  print_skipped(skipped, out);
  return out.str();
}

TEST(SkippedLines, NamesWhatIsLittle) {
  EXPECT_EQ(lines_of(0), "");
  EXPECT_EQ(lines_of(1), "skipped: gemm 0: time budget\n");
  EXPECT_THAT(lines_of(13), testing::HasSubstr("skipped: gemm 12: time budget\n"));
}

TEST(SkippedLines, CountsTheRest) {
  const std::string text = lines_of(352);
  EXPECT_EQ(std::ranges::count(text, '\n'), 13);
  EXPECT_THAT(text, testing::EndsWith("skipped: 340 more, which the profile lists\n"));
}

}  // namespace
}  // namespace forerun
