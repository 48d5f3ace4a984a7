// Rows E1 to E9 and F1 to F8 of the forecasting reference.
#include "estimator/forecast/progress.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/estimator/forecast/months.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// E1: 11.97 years. E2: 9.24 months. E3: 8.68 months, 2.61 a year.
TEST(Progress, E1ToE3OfThePointEstimate) {
  EXPECT_NEAR(term_doubling(ho_parameters) / unit::year, 11.97, 0.005);
  EXPECT_NEAR(months_of(term_doubling(ho_data)), 9.24, 0.005);
  const Seconds both = compute_doubling(ho_parameters, ho_data);
  EXPECT_NEAR(months_of(both), 8.68, 0.005);
  EXPECT_NEAR(factor_per_year(both), 2.61, 0.005);
}

struct Published {
  const char* row;
  double computed;   ///< months, from the repository's bootstraps
  double published;  ///< months
  double tolerance;
};

// E4 and E6: medians and ends of bootstraps that are data, not ours to recompute; what is tested is
// that computed and published agree as closely as the source rounds. E5 is unpublished.
TEST(Progress, E4AndE6AgreeWithWhatIsPublished) {
  for (const Published& row : {Published{"E4", 8.44, 8.4, 0.01},
                               {"E4 low", 4.52, 4.5, 0.01},
                               {"E4 high", 14.27, 14.3, 0.01},
                               {"E6", 7.92, 7.8, 0.03},
                               {"E6 high", 17.06, 17.6, 0.035}}) {
    EXPECT_NEAR(row.computed / row.published, 1.0, row.tolerance) << row.row;
  }
}

// E7: factors a year at 4.5, 8.4 and 14.3 months; published as "about 3".
TEST(Progress, E7FactorsPerYear) {
  EXPECT_NEAR(factor_per_year(months(4.5)), 6.350, 0.0005);
  EXPECT_NEAR(factor_per_year(months(8.4)), 2.692, 0.0005);
  EXPECT_NEAR(factor_per_year(months(14.3)), 1.789, 0.0005);
}

// E8: GPT-3 (2020.41) to 2030.
TEST(Progress, E8FromGpt3To2030) {
  const Seconds elapsed = (2030.0 - 2020.41) * unit::year;
  const auto gain = [&](double doubling) {
    return effective(unit::flop, months(doubling), elapsed).in(unit::flop);
  };
  EXPECT_NEAR(gain(4.5) / 4.99e7, 1.0, 1e-3);
  EXPECT_NEAR(gain(8.4) / 13'308.0, 1.0, 1e-4);
  EXPECT_NEAR(gain(14.3) / 264.6, 1.0, 1e-3);
}

// E9: nine years at 8.4 months are 12.86 doublings, 7,420-fold: 37 % of 22e9 in the logarithm.
TEST(Progress, E9NineYears) {
  const double gain = effective(unit::flop, months(8.4), 9.0 * unit::year).in(unit::flop);
  EXPECT_NEAR(std::log2(gain), 12.86, 0.005);
  EXPECT_NEAR(gain / 7'420.0, 1.0, 2e-3);
  EXPECT_NEAR(std::log10(gain) / std::log10(22e9), 0.37, 0.005);
}

// F1 to F4, with the 30-day months of the paper.
TEST(Density, F1ToF4Doublings) {
  const auto days = [](double growth) { return density_doubling(growth) / unit::day; };
  EXPECT_NEAR(days(0.007), 99.02, 0.005);        // F1
  EXPECT_NEAR(days(0.007) / 30.0, 3.301, 5e-4);  // published 3.3
  EXPECT_NEAR(days(0.0073), 94.95, 0.005);       // F2, published 95
  EXPECT_NEAR(days(0.0073) / 30.0, 3.165, 5e-4);
  EXPECT_NEAR(days(0.0048), 144.4, 0.05);         // F3
  EXPECT_NEAR(days(0.0048) / 30.0, 4.814, 5e-4);  // published 4.8
  EXPECT_NEAR(days(0.0072) / 30.0, 3.2, 0.02);    // F4, published 3.2
  EXPECT_NEAR(factor_per_year(density_doubling(0.007)), 12.89, 0.01);
  EXPECT_NEAR(factor_per_year(density_doubling(0.0073)), 14.39, 0.01);
  EXPECT_NEAR(factor_per_year(density_doubling(0.0048)), 5.77, 0.01);
}

// F5: 2.4B for 7B parameters (0.343) in 127 days are a doubling in 82.2 days.
TEST(Density, F5MiniCpmAgainstMistral) {
  EXPECT_NEAR(127.0 / std::log2(1.0 / 0.343), 82.2, 0.1);
}

// F6: density of December 2025 by both calibrations, 78 to 90.
TEST(Density, F6AtTheEndOf2025) {
  EXPECT_NEAR(density(density_trend, 2025.96), 78.0, 78.0 * 0.1);
  EXPECT_NEAR(density({0.0073, -2.98}, 2025.96), 90.0, 90.0 * 0.1);
}

// F7: 20 to 0.075 dollars are 266.7, 8.06 doublings: 2.48 months each over 20, 2.61 over 21.
TEST(Density, F7PricesOfInference) {
  const double doublings = std::log2(20.0 / 0.075);
  EXPECT_NEAR(doublings, 8.06, 0.005);
  EXPECT_NEAR(20.0 / doublings, 2.48, 0.005);
  EXPECT_NEAR(21.0 / doublings, 2.61, 0.005);
  EXPECT_NEAR(20.0 / 0.0075, 2667.0, 1.0);  // DISC: a digest prints 0.0075, ten times too low
}

// F8: chips by 767 days, density by 99: 87.7 days, 17.9 a year; 84.5 and 20.0 with 0.0073.
TEST(Density, F8TimesMoore) {
  const Seconds moore = 767.0 * unit::day;
  const Seconds both = combine_doublings(density_doubling(0.007), moore);
  EXPECT_NEAR(both / unit::day, 87.7, 0.05);
  EXPECT_NEAR(factor_per_year(both), 17.9, 0.05);
  const Seconds faster = combine_doublings(density_doubling(0.0073), moore);
  EXPECT_NEAR(faster / unit::day, 84.5, 0.05);
  EXPECT_NEAR(factor_per_year(faster), 20.0, 0.05);
}

// The inverse of the loss: the reference model's own loss leads back to its size.
TEST(Density, ReferenceParametersInvertTheLoss) {
  const double loss_of_70b = loss(70e9, 1e12, epoch_fit);
  EXPECT_NEAR(reference_parameters(loss_of_70b, 1e12, epoch_fit) / 70e9, 1.0, 1e-9);
  EXPECT_TRUE(std::isinf(reference_parameters(1.0, 1e12, epoch_fit)));
}

// 16 GB at half a byte hold 32e9 parameters; 100 GB/s stream 20e9 of them ten times a second.
TEST(Edge, IsLimitedByMemoryOrBandwidth) {
  const EdgeDevice device{16.0 * unit::gigabyte, 100.0 * unit::gigabyte / unit::second, 2025.0};
  const EdgeModel fast = edge_model(device, 2025.0, 0.5, 10.0, density_trend);
  EXPECT_DOUBLE_EQ(fast.parameters, 20e9);
  EXPECT_TRUE(fast.bandwidth_binds);
  const EdgeModel slow = edge_model(device, 2025.0, 0.5, 1.0, density_trend);
  EXPECT_DOUBLE_EQ(slow.parameters, 32e9);
  EXPECT_FALSE(slow.bandwidth_binds);
}

// Four years later bandwidth has doubled.
TEST(Edge, GrowsWithItsDevice) {
  const EdgeDevice device{160.0 * unit::gigabyte, 100.0 * unit::gigabyte / unit::second, 2025.0};
  EXPECT_DOUBLE_EQ(edge_model(device, 2029.0, 0.5, 10.0, density_trend).parameters, 40e9);
}

}  // namespace
}  // namespace forerun
