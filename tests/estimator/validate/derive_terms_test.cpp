// Widths of bands from errors of published runs.
#include "estimator/validate/derive_terms.hpp"

#include <cmath>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forerun {
namespace {

// Ten runs of one source with errors 1 % to 10 %.
std::vector<TermObservation> ten_runs(const char* source, double own_error) {
  std::vector<TermObservation> runs;
  for (int percent = 1; percent <= 10; ++percent) {
    runs.push_back({"dense", source, 0.01 * percent, own_error});
  }
  return runs;
}

TEST(DerivedTerms, TakeTheNinthOfTenErrors) {
  const auto terms = derive_terms(ten_runs("a", 0.0));
  ASSERT_EQ(terms.size(), 1U);
  EXPECT_EQ(terms[0].term.job_class, "dense");
  EXPECT_NEAR(terms[0].term.half_width, 0.09, 1e-12);
  EXPECT_EQ(terms[0].term.rows, 10);
  EXPECT_EQ(terms[0].term.sources, 1);
  EXPECT_FALSE(terms[0].left_out_coverage);  // there is no other source
}

TEST(DerivedTerms, LeaveToThePricesWhatIsTheirs) {
  const auto terms = derive_terms(ten_runs("a", 0.05));
  EXPECT_NEAR(terms[0].term.half_width, std::sqrt(0.09 * 0.09 - 0.05 * 0.05), 1e-12);
}

TEST(DerivedTerms, LeaveEverySourceOutOnce) {
  auto runs = ten_runs("a", 0.0);
  for (TermObservation& run : ten_runs("b", 0.0)) {
    run.error *= 2.0;
    runs.push_back(run);
  }
  // b's quantile, 18 %, is a's width and 9 % is b's: 13.5 % on the mean. Of the 20 runs, a's all
  // lie inside and four of b's (2, 4, 6 and 8 %); the 17th of the ratios is b's 14 % over 9 %.
  const auto terms = derive_terms(runs);
  EXPECT_NEAR(terms[0].left_out_coverage.value_or(0.0), 14.0 / 20.0, 1e-12);
  EXPECT_NEAR(terms[0].term.half_width, 0.135 * 0.14 / 0.09, 1e-12);
}

TEST(DerivedTerms, OfSourcesAlikeAreTheirQuantile) {
  auto runs = ten_runs("a", 0.0);
  const auto others = ten_runs("b", 0.0);
  runs.insert(runs.end(), others.begin(), others.end());
  // The 17th of twice ten ratios is 9 % over 9 %.
  EXPECT_NEAR(derive_terms(runs)[0].term.half_width, 0.09, 1e-12);
}

TEST(DerivedTerms, AreWrittenWithTheirDerivation) {
  std::ostringstream text;
  write_terms(derive_terms(ten_runs("a", 0.0)), "--table runs.csv", text);
  EXPECT_THAT(text.str(), testing::HasSubstr("--table runs.csv"));
  EXPECT_THAT(text.str(), testing::HasSubstr("class = \"dense\"\nhalf_width = 0.090"));
}

TEST(SourceFamily, DropsWhatTellsTablesOfOneSourceApart) {
  EXPECT_EQ(source_family("vTrain (MICRO 2024) ground_truth_single.csv"), "vTrain");
  EXPECT_EQ(source_family("Megatron-Bridge performance summary, container 26.04"),
            "Megatron-Bridge performance summary");
  EXPECT_EQ(source_family("PaLM"), "PaLM");
}

}  // namespace
}  // namespace forerun
