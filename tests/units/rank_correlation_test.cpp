#include "units/rank_correlation.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(Spearman, IsThatOfRanks) {
  const std::vector<double> x{1.0, 2.0, 3.0, 4.0, 5.0};
  EXPECT_DOUBLE_EQ(spearman(x, std::vector<double>{1.0, 8.0, 27.0, 64.0, 125.0}).value(), 1.0);
  // Without ties 1 - 6 sum d^2 / (n (n^2 - 1)): d = 1, 1, 1, 1, 0.
  EXPECT_DOUBLE_EQ(spearman(x, std::vector<double>{2.0, 1.0, 4.0, 3.0, 5.0}).value(),
                   1.0 - 6.0 * 4.0 / (5.0 * 24.0));
}

// Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: 4.5 / sqrt(4.5 * 5).
TEST(Spearman, SharesTheRankOfEqualValues) {
  const std::vector<double> x{1.0, 2.0, 2.0, 3.0};
  EXPECT_DOUBLE_EQ(spearman(x, std::vector<double>{1.0, 2.0, 3.0, 4.0}).value(),
                   4.5 / std::sqrt(4.5 * 5.0));
}

TEST(Spearman, OfNoSpreadIsNothing) {
  const std::vector<double> same{2.0, 2.0, 2.0};
  EXPECT_FALSE(spearman(same, std::vector<double>{1.0, 2.0, 3.0}));
  EXPECT_FALSE(spearman({}, {}));
}

}  // namespace
}  // namespace forerun
