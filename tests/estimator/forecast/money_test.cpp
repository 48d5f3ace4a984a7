// Rows G1 to G16 of the forecasting reference, and the what-ifs of section G.4.
#include "estimator/forecast/money.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/estimator/forecast/months.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

Flops flop_of(double count) {
  return count * unit::flop;
}

FlopsPerSecond rate(double per_second) {
  return per_second * unit::flop / unit::second;
}

// 355.36 V100-years = 3.115e6 h at 28 TFLOP/s; $1.50 an hour makes $4.673M, published "at least
// $4.6M".
TEST(Money, G1Gpt3) {
  EXPECT_NEAR(device_time(flop_of(3.14e23), rate(28e12), 1.0) / unit::year, 355.36, 0.01);
  const Dollars cost = rent(flop_of(3.14e23), rate(28e12), 1.0, 1.5 * unit::dollar);
  EXPECT_NEAR(cost.in(unit::dollar) / 4.673e6, 1.0, 1e-3);
  EXPECT_NEAR(cost.in(unit::dollar) / 4.6e6, 1.0, 0.02);
}

// 25,000 A100 for 2,280 h at 0.34 of 312 TFLOP/s: 2.177e25; published 2.1e25.
TEST(Money, G2Gpt4) {
  const double hours = device_time(flop_of(2.177e25), rate(312e12), 0.34) / unit::hour;
  EXPECT_NEAR(hours / (25'000.0 * 2'280.0), 1.0, 1e-3);
  EXPECT_NEAR(2.177e25 / 2.1e25, 1.0, 0.05);
}

// $78.6M over 57M hours.
TEST(Money, G3RentOfGpt4) {
  EXPECT_NEAR(78.6e6 / (25'000.0 * 2'280.0), 1.378, 1.378e-3);
}

// $778M of hardware loses $65.2M in 2,280 h at full value; after 1.7 years it is worth 0.57.
TEST(Money, G3aAmortisedHardware) {
  const Dollars full = amortised(778e6 * unit::dollar, 2'280.0 * unit::hour);
  EXPECT_NEAR(full.in(unit::dollar) / 65.2e6, 1.0, 1e-3);
  const double left = value_after(unit::dollar, 1.7 * unit::year).in(unit::dollar);
  EXPECT_NEAR(left, 0.57, 0.01);
  EXPECT_NEAR((40.7 - 3.2) / 65.2, 0.57, 0.01);
}

SitePower a100_site() {
  return {25'000.0, 400.0 * unit::watt, 2.03, 0.75, 1.1};
}

// 38.2 GWh, about $3.2M at the mean of 2022 and 2023 (0.0832, 0.0806).
TEST(Money, G4EnergyOfGpt4) {
  const Joules energy = site_energy(a100_site(), 2'280.0 * unit::hour);
  EXPECT_NEAR(energy / unit::kilowatt_hour / 38.2e6, 1.0, 2e-3);
  EXPECT_NEAR(energy_price(energy, 0.0832 * unit::dollar).in(unit::dollar) / 3.2e6, 1.0, 0.02);
}

// $2 an hour at 40 % of 989.4 TFLOP/s: 1.4038e-18 $/FLOP; 1e26, 1e27, 1e28, 2e29.
TEST(Money, G5AndG6PriceOfAFlop) {
  const auto cost = [](double count) {
    return rent(flop_of(count), rate(989.4e12), 0.4, 2.0 * unit::dollar).in(unit::dollar);
  };
  EXPECT_NEAR(cost(1.0) / 1.4038e-18, 1.0, 5e-5);
  EXPECT_NEAR(cost(1e26) / 140e6, 1.0, 5e-3);
  EXPECT_NEAR(cost(1e27) / 1.40e9, 1.0, 5e-3);
  EXPECT_NEAR(cost(1e28) / 14.0e9, 1.0, 5e-3);
  EXPECT_NEAR(cost(2e29) / 281e9, 1.0, 5e-3);
}

TEST(Money, G7FiveYearsLater) {
  const Seconds later = 5.0 * unit::year;
  const auto after = [&](double price, double factor) {
    return cheaper(price * unit::dollar, factor, later).in(unit::dollar);
  };
  EXPECT_NEAR(after(14.038e9, 1.30) / 3.78e9, 1.0, 2e-3);
  EXPECT_NEAR(after(14.038e9, 1.37) / 2.91e9, 1.0, 2e-3);
  EXPECT_NEAR(after(280.76e9, 1.30) / 75.6e9, 1.0, 2e-3);
  EXPECT_NEAR(after(280.76e9, 1.37) / 58.2e9, 1.0, 2e-3);
}

TEST(Money, G8AndG9TenfoldCost) {
  EXPECT_NEAR(months_of(time_to_grow(10.0, months(10.0))), 33.2, 0.05);
  EXPECT_NEAR(months_of(time_to_grow(10.0, months(6.0))), 19.9, 0.05);
}

TEST(Money, G10FromGpt3ToGpt4) {
  EXPECT_NEAR(months_of(doubling_of(100.0 / 4.6, months(33.0))), 7.43, 0.005);
}

TEST(Money, G11CostNetOfHardware) {
  EXPECT_NEAR(months_of(cost_doubling(months(10.0), months(26.4))), 16.1, 0.05);
}

SitePower h100_site(double devices, double pue) {
  return {devices, 700.0 * unit::watt, 1.821, 1.0, pue};
}

// 140.3 and 159.4 MW: 1.23 and 1.40 TWh a year, $101M and $115M at 0.0826.
TEST(Money, G12AHundredThousandH100) {
  const auto megawatts = [](double pue) {
    return site_power(h100_site(1e5, pue)).in(unit::watt) / 1e6;
  };
  EXPECT_NEAR(megawatts(1.1), 140.3, 0.1);
  EXPECT_NEAR(megawatts(1.25), 159.4, 0.1);
  const Joules year = site_energy(h100_site(1e5, 1.1), unit::year);
  EXPECT_NEAR(year / unit::kilowatt_hour / 1.23e9, 1.0, 2e-3);
  EXPECT_NEAR(energy_price(year, 0.0826 * unit::dollar).in(unit::dollar) / 101e6, 1.0, 8e-3);
}

// Published sites, per device: 181 MW over 100k and 361 over 200k, 22.6 and 27 MW over 16,384. The
// formula's 1.275 kW x PUE 1.1 is 1.40 kW, inside 1.38 to 1.81.
TEST(Money, G13AndG14PowerOfADeviceInPublishedSites) {
  EXPECT_NEAR(181e6 / 1e5, 1810.0, 5.0);
  EXPECT_NEAR(361e6 / 2e5, 1805.0, 5.0);
  EXPECT_NEAR(22.6e6 / 16'384.0, 1380.0, 5.0);
  EXPECT_NEAR(27e6 / 16'384.0, 1650.0, 5.0);
  const double ours = site_power(h100_site(1.0, 1.1)).in(unit::watt);
  EXPECT_GT(ours, 1380.0);
  EXPECT_LT(ours, 1810.0);
}

// 2e29 FLOP at 40 %: 3.544e-12 J each, 197 TWh; 82.0 GW over 100 days; over 24 of it 3.42 GW.
TEST(Money, G15PowerOfARunOf2e29) {
  const double joule = energy_per_flop(h100_site(1.0, 1.1), rate(989.4e12), 0.4).in(unit::joule);
  EXPECT_NEAR(joule / 3.544e-12, 1.0, 1e-3);
  EXPECT_NEAR(2e29 * joule / 3.6e15, 197.0, 0.3);
  const double gigawatts = 2e29 * joule / (100.0 * 86'400.0) / 1e9;
  EXPECT_NEAR(gigawatts, 82.0, 0.1);
  EXPECT_NEAR(gigawatts / 24.0, 3.42, 0.005);
}

// Epoch's chain: 27 MW x 5,000 / (4 x 2 x 3).
TEST(Money, G15aEpochsChain) {
  EXPECT_NEAR(27e6 * 5'000.0 / (4.0 * 2.0 * 3.0) / 1e9, 5.63, 0.006);
}

// G16: efficiency by 1.28 a year is a third of the energy in 4.45 years.
TEST(Money, G16EnergyOfAFlopFalls) {
  const double after = cheaper(unit::dollar, 1.28, 4.45 * unit::year).in(unit::dollar);
  EXPECT_NEAR(after, 1.0 / 3.0, 1e-3);
}

// G.2: half of 3.3e12 searches a year for $6B is $0.0036 each.
TEST(Money, InferenceForHalfOfAllSearches) {
  EXPECT_NEAR(6e9 / (0.5 * 3.3e12), 0.0036, 5e-5);
}

// W0: 0.833 to 1.667 sessions a GPU; 24.0M and 60.4M GB300 by the end of 2026 and 2027, so that 50M
// to 101M sessions run at once in 2027.
TEST(Money, W0SessionsThatPricesImply) {
  const Bytes gb300 = 288.0 * unit::gigabyte;
  const auto equipped = [&](double hbm3e, double hbm4) {
    return equivalent_devices(hbm3e * unit::gigabyte, hbm4 * unit::gigabyte, 2.0, gb300);
  };
  EXPECT_NEAR(equipped(4.108e9, 1.406e9) / 24.0e6, 1.0, 2e-3);
  EXPECT_NEAR(equipped(4.108e9, 1.406e9), 24'027'777.8, 0.1);
  const double in_2027 = equipped(5.271e9, 6.056e9);
  EXPECT_NEAR(in_2027 / 60.4e6, 1.0, 2e-3);
  const auto sessions = [](double ratio) {
    return price_implied_sessions(5.0 * unit::dollar, 30.0 * unit::dollar, ratio);
  };
  EXPECT_NEAR(sessions(5.0), 0.833333333, 1e-9);
  EXPECT_NEAR(sessions(10.0), 1.666666667, 1e-9);
  EXPECT_NEAR(in_2027 * sessions(5.0) / 50e6, 1.0, 0.01);
  EXPECT_NEAR(in_2027 * sessions(10.0) / 101e6, 1.0, 0.01);
}

// G.4, GPTQ: 350 GB in 16 bits want five 80 GB devices; 3 bits one; 4 bits two.
TEST(Money, GptqFromFiveDevicesToOne) {
  const Bytes memory = 80.0 * unit::gigabyte;
  EXPECT_EQ(devices_for_weights(175e9, 16.0, memory), 5.0);
  EXPECT_EQ(devices_for_weights(175e9, 3.0, memory), 1.0);
  EXPECT_EQ(devices_for_weights(175e9, 4.0, memory), 2.0);
}

// G.4, LoRA on GPT-3's query and value projections: 96 layers x 2 matrices of 12,288 squared.
TEST(Money, LoraParametersOfGpt3) {
  const auto trainable = [](double rank) {
    return lora_parameters(rank, 12'288.0, 12'288.0, 2.0 * 96.0);
  };
  EXPECT_EQ(trainable(1.0), 4'718'592.0);
  EXPECT_EQ(trainable(4.0), 18'874'368.0);
  EXPECT_EQ(trainable(8.0), 37'748'736.0);
  EXPECT_NEAR(175e9 / trainable(4.0), 9'270.0, 5.0);
}

// G.4, QLoRA: 65B in 4 bits and 0.127 bits of constants fit one 48 GB device; 12 B a parameter of
// full fine-tuning do not.
TEST(Money, QloraOnOneDevice) {
  EXPECT_EQ(devices_for_weights(65e9, 4.0 + 0.127, 48.0 * unit::gigabyte), 1.0);
  EXPECT_NEAR(65e9 * 0.127 / 8.0 / 1e9, 1.03, 0.005);
  EXPECT_EQ(devices_for_weights(65e9, 12.0 * 8.0, 48.0 * unit::gigabyte), 17.0);
}

}  // namespace
}  // namespace forerun
