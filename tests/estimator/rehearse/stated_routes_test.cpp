#include "estimator/rehearse/stated_routes.hpp"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace forerun {
namespace {

constexpr RouterShape router{.tokens = 96, .experts = 8, .top_k = 2};

// How many of the rows chose each expert; a choice is a logit above zero.
std::vector<int> loads_of(const std::vector<float>& logits) {
  std::vector<int> loads(static_cast<std::size_t>(router.experts));
  for (std::size_t i = 0; i < logits.size(); ++i) {
    loads[i % loads.size()] += logits[i] > 0.0F ? 1 : 0;
  }
  return loads;
}

TEST(StatedRoutes, LoadEveryExpertAlikeWhereBalanced) {
  const auto logits = stated_logits(LoadKind::balanced, router, 0, 96, 7);
  EXPECT_EQ(loads_of(logits), std::vector<int>(8, 96 * 2 / 8));
  // Row 0 chooses experts 0 and 1, and the second weighs more.
  EXPECT_EQ(std::vector<float>(logits.begin(), logits.begin() + 8),
            (std::vector<float>{1.0F, 1.125F, 0, 0, 0, 0, 0, 0}));
}

// Distinct choices, each expert as likely: of 40,000 choices 5,000 each, give or take 66.
TEST(StatedRoutes, AreRandomWhereMultinomial) {
  const auto logits = stated_logits(LoadKind::multinomial, router, 0, 20000, 7);
  for (std::size_t row = 0; row < 20000; ++row) {
    const auto first = logits.begin() + static_cast<std::ptrdiff_t>(8 * row);
    ASSERT_EQ(std::count_if(first, first + 8, [](float x) { return x > 0.0F; }), 2);
  }
  for (const int load : loads_of(logits)) {
    EXPECT_NEAR(load, 5000, 4 * 66);
  }
  EXPECT_NE(logits, stated_logits(LoadKind::multinomial, router, 0, 20000, 8));
}

// What a rank gets that holds only some of the rows.
TEST(StatedRoutes, AreThoseOfTheWholeOnAnySplit) {
  for (const LoadKind load : {LoadKind::balanced, LoadKind::multinomial}) {
    const auto whole = stated_logits(load, router, 0, 96, 7);
    const auto part = stated_logits(load, router, 33, 21, 7);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + 33 * 8));
  }
}

}  // namespace
}  // namespace forerun
