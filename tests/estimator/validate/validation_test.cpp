// Statistics of errors, worked by hand.
#include "estimator/validate/validation.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "units/unit.hpp"

namespace forerun {
namespace {

ValidationRow row_of(const char* group, double published, double predicted, double own_error) {
  ValidationRow row;
  row.id = group;
  row.groups = {group};
  row.published = published * unit::second;
  row.predicted = predicted * unit::second;
  row.relative_error = own_error;
  row.tier = "fitted";
  return row;
}

ValidationRow unpriced_row(const char* group) {
  ValidationRow row;
  row.groups = {group};
  row.published = 1.0 * unit::second;
  row.skip_reason = "unknown";
  return row;
}

TEST(ErrorStatistics, AreThoseOfThePricedRows) {
  // Errors +10 %, -20 %, 0: mean of sizes 10 %, mean -3.33 %.
  const std::vector<ValidationRow> rows{row_of("a", 1.0, 1.1, 0.1),
                                        row_of("a", 10.0, 8.0, 0.05),
                                        row_of("a", 100.0, 100.0, 0.0),
                                        unpriced_row("a")};
  std::vector<const ValidationRow*> pointers;
  for (const ValidationRow& row : rows) {
    pointers.push_back(&row);
  }
  const ErrorStatistics statistics = statistics_of(pointers);
  EXPECT_EQ(statistics.total, 4);
  EXPECT_EQ(statistics.priced, 3);
  EXPECT_NEAR(statistics.mape, 0.1, 1e-12);
  EXPECT_NEAR(statistics.bias, -0.1 / 3.0, 1e-12);
  EXPECT_NEAR(statistics.max, 0.2, 1e-12);
  EXPECT_NEAR(statistics.spearman, 1.0, 1e-12);
  // 1 lies in 1.1 (1 +- 0.206); 10 not in 8 (1 +- 0.103); 100 is met exactly.
  EXPECT_NEAR(statistics.coverage, 2.0 / 3.0, 1e-12);
}

TEST(ErrorStatistics, RankEqualValuesAlike) {
  const std::vector<ValidationRow> rows{
      row_of("a", 1.0, 3.0, 0.0), row_of("a", 2.0, 2.0, 0.0), row_of("a", 3.0, 1.0, 0.0)};
  std::vector<const ValidationRow*> pointers{&rows[0], &rows[1], &rows[2]};
  EXPECT_NEAR(statistics_of(pointers).spearman, -1.0, 1e-12);
  const std::vector<ValidationRow> tied{row_of("a", 1.0, 5.0, 0.0), row_of("a", 2.0, 5.0, 0.0)};
  pointers = {&tied[0], &tied[1]};
  EXPECT_EQ(statistics_of(pointers).spearman, 0.0);
}

TEST(ErrorStatistics, NameTheErrorThatNineOfTenStayUnder) {
  std::vector<ValidationRow> rows;
  for (int percent = 1; percent <= 10; ++percent) {
    rows.push_back(row_of("a", 1.0, 1.0 + 0.01 * percent, 0.0));
  }
  std::vector<const ValidationRow*> pointers;
  for (const ValidationRow& row : rows) {
    pointers.push_back(&row);
  }
  EXPECT_NEAR(statistics_of(pointers).p90, 0.09, 1e-12);
  // Of two it is the larger.
  EXPECT_NEAR(statistics_of({pointers[0], pointers[1]}).p90, 0.02, 1e-12);
}

TEST(ValidationDocument, HasTheKeysOfTheContract) {
  const auto document = to_json(
      Validation{{row_of("a", 1.0, 1.5, 0.1), unpriced_row("b"), row_of("b", 2.0, 2.0, 0)}});
  EXPECT_EQ(document["priced"], 2);
  EXPECT_EQ(document["total"], 3);
  EXPECT_NEAR(document["mape"].get<double>(), 0.25, 1e-12);
  ASSERT_EQ(document["groups"].size(), 2U);
  EXPECT_EQ(document["groups"][1]["name"], "b");
  EXPECT_EQ(document["groups"][1]["priced"], 1);
  EXPECT_NEAR(document["rows"][0]["error"].get<double>(), 0.5, 1e-12);
  EXPECT_NEAR(document["rows"][0]["band_s"][1].get<double>(), 1.5 * 1.206, 1e-12);
  EXPECT_TRUE(document["rows"][1]["predicted_s"].is_null());
  EXPECT_EQ(document["rows"][1]["skip_reason"], "unknown");
  std::ostringstream table;
  print_validation(document, table);
  EXPECT_THAT(table.str(), testing::HasSubstr(" 50.0 "));
}

}  // namespace
}  // namespace forerun
