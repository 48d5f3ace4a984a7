// Rows C1-C16 and the table of figures of merit.
#include "estimator/forecast/latency.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

using unit::byte;
using unit::flop;
using unit::second;

constexpr double no_wall = std::numeric_limits<double>::infinity();

FlopsPerSecond flops(double rate) {
  return rate * flop / second;
}

BytesPerSecond bytes(double rate) {
  return rate * byte / second;
}

/// The article's A100 machine: C 312e12, M 2e12, B 2e12, N 8.
TileMachine a100_machine() {
  return {.compute = flops(312e12),
          .memory = bytes(2e12),
          .network = bytes(2e12),
          .devices_a_machine = 8.0};
}

TEST(KRule, FiveMakesFiveTimesHuman125Times) {  // C1
  EXPECT_DOUBLE_EQ(k_rule({5.0, 1.8e6}, 5.0, no_wall).speed_x_human, 125.0);
}

TEST(KRule, LeavesFourteenThousandAgents) {  // C4: 1.8e6 / 125
  const double copies = k_rule({5.0, 1.8e6}, 5.0, no_wall).copies;
  EXPECT_DOUBLE_EQ(copies, 14400.0);
  EXPECT_NEAR(copies / 14000.0, 1.0, 0.03);
}

TEST(KRule, FirstEnglishVersionSlipped) {  // C5: 360,000 divides by k, not by its cube
  EXPECT_GT(360000.0 / k_rule({5.0, 1.8e6}, 5.0, no_wall).copies, 20.0);
}

TEST(KRule, DividesThroughputByK) {
  const SpeedTrade before{5.0, 1.8e6};
  const SpeedTrade after = k_rule(before, 5.0, no_wall);
  EXPECT_DOUBLE_EQ(before.speed_x_human * before.copies, 5.0 * after.speed_x_human * after.copies);
}

TEST(KRule, StopsAtTheWall) {
  EXPECT_DOUBLE_EQ(k_rule({5.0, 1.8e6}, 5.0, 17.8).speed_x_human, 17.8);
}

TEST(SubjectiveYear, PassesInTwoMonthsOrThreeDays) {  // C2, C3
  EXPECT_NEAR((unit::year / 5.0).in(unit::day), 73.05, 1e-9);
  EXPECT_NEAR(unit::year / 5.0 / (unit::year / 12.0), 2.4, 1e-9);
  EXPECT_NEAR((unit::year / 125.0).in(unit::day), 2.922, 1e-9);
  EXPECT_NEAR((unit::year / 125.0).in(unit::day) / 3.0, 1.0, 0.03);
}

TEST(BestTile, OfAWideNetworkIs54CSquaredOverMCubed) {  // C6: 54 * 312e12^2 / 2e12^3 = 6.57072e-7
  TileMachine machine = a100_machine();
  machine.network = bytes(4e12);
  EXPECT_NEAR(best_tile(machine).time.in(second) / 6.57072e-7, 1.0, 1e-6);
}

TEST(BestTile, OfTheA100MachineIsBoundByTheNetwork) {  // C7: 8 C^2 N / (B^2 (M - B / sqrt 8))
  const double time = best_tile(a100_machine()).time.in(second);
  EXPECT_NEAR(time / 1.2047e-6, 1.0, 5e-5);
  EXPECT_NEAR(time / 1.2e-6, 1.0, 0.01);
}

TEST(BestTile, ChangesBranchAtTwoThirdsOfMRootN) {  // C8: 3.771e12 bytes/s
  TileMachine machine = a100_machine();
  machine.network = bytes(3.772e12);
  EXPECT_DOUBLE_EQ(best_tile(machine).tile, 3.0 * 312e12 / 2e12);
  machine.network = bytes(3.770e12);
  EXPECT_GT(best_tile(machine).tile, 3.0 * 312e12 / 2e12);
}

TEST(BestTile, IsContinuousAcrossItsBranches) {
  TileMachine machine = a100_machine();
  machine.network = bytes(3.7713e12);
  const Seconds above = best_tile(machine).time;
  machine.network = bytes(3.7711e12);
  EXPECT_NEAR(best_tile(machine).time / above, 1.0, 1e-3);
}

TEST(TileTime, KeepsComputeBusyAtTheBestTile) {
  const TileMachine machine = a100_machine();
  const BestTile best = best_tile(machine);
  const Flops work = 2.0 * best.tile * best.tile * best.batch * flop;
  EXPECT_NEAR(best.time / (work / machine.compute), 1.0, 1e-12);
}

TEST(TileTime, FallsWithSquareOfUnderutilisation) {
  // Tile and batch k times smaller: memory and network time fall by k^2, compute by k^3.
  const TileMachine machine = a100_machine();
  const BestTile best = best_tile(machine);
  EXPECT_NEAR(best.time / tile_time(machine, best.tile / 5.0, best.batch / 5.0), 25.0, 1e-9);
}

TEST(ForwardPass, OfGpt3Takes70HundredthsOfAMillisecond) {  // C9: 160 matmuls of 4.4 us
  EXPECT_NEAR((160.0 * 4.4 * unit::microsecond).in(unit::millisecond), 0.704, 1e-9);
}

TEST(WeightTiles, OfGpt3Need576Devices) {  // C10
  EXPECT_EQ(devices_of_weight(12288, 49152, 1024), 576.0);
}

TEST(WeightStreaming, BoundsOneDeviceToTwelvePasses) {  // C11: 2039 GB/s over 175 GB
  EXPECT_NEAR(bytes(2039e9) * second / (175e9 * byte), 11.65, 0.005);
}

TEST(Human, ReadsAWordInAQuarterSecond) {  // C12: 240 words a minute
  EXPECT_NEAR((unit::minute / 240.0).in(unit::millisecond), 250.0, 1e-9);
}

struct MeritRow {
  double compute;
  double memory;
  double merit;
  double tolerance;
};

class FigureOfMerit : public ::testing::TestWithParam<MeritRow> {};

TEST_P(FigureOfMerit, AgreesWithTable) {
  const MeritRow& row = GetParam();
  EXPECT_NEAR(fom(flops(row.compute), bytes(row.memory)) / row.merit, 1.0, row.tolerance);
}

INSTANTIATE_TEST_SUITE_P(Published,
                         FigureOfMerit,
                         ::testing::Values(MeritRow{84e12, 720e9, 53e6, 0.02},
                                           MeritRow{125e12, 900e9, 47e6, 0.02},
                                           MeritRow{312e12, 1555e9, 39e6, 0.02},
                                           MeritRow{312e12, 2039e9, 87e6, 0.02},
                                           MeritRow{2000e12, 3072e9, 7.2e6, 0.02}));
INSTANTIATE_TEST_SUITE_P(Computed,
                         FigureOfMerit,
                         ::testing::Values(MeritRow{989.4e12, 3350e9, 38.4e6, 2e-3},
                                           MeritRow{989.4e12, 4800e9, 113e6, 2e-3},
                                           MeritRow{2250e12, 8000e9, 101e6, 3e-3},
                                           MeritRow{1307e12, 5300e9, 87.1e6, 2e-3},
                                           MeritRow{275e12, 1200e9, 22.8e6, 3e-3},
                                           MeritRow{459e12, 2765e9, 100e6, 5e-3}));

TEST(FigureOfMerit, OfTheH100WasTakenFromItsSparsePeak) {
  const double dense = fom(flops(989.4e12), bytes(3350e9));
  EXPECT_NEAR(dense / fom(flops(2000e12), bytes(3072e9)), 5.3, 0.05);
}

TEST(CountingRace, SlopeOfThePythiaModelsIsNearThePublishedOne) {  // C1a
  // Tokens a minute of seven models on one A100; the article says time grows as size^0.6.
  const std::array<double, 7> sizes = {12e9, 6.9e9, 2.8e9, 1.4e9, 410e6, 160e6, 70e6};
  const std::array<double, 7> speeds = {1801, 2659, 4568, 7040, 11039, 21580, 31809};
  double x = 0.0;
  double y = 0.0;
  double xx = 0.0;
  double xy = 0.0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const double size = std::log(sizes.at(i));
    const double speed = std::log(speeds.at(i));
    x += size / 7.0;
    y += speed / 7.0;
    xx += size * size / 7.0;
    xy += size * speed / 7.0;
  }
  const double slope = (xy - x * y) / (xx - x * x);
  EXPECT_NEAR(slope, -0.547, 5e-4);
  EXPECT_NEAR(slope, -0.6, 0.06);
}

struct WallRow {
  double parameters;
  double layers;
  double devices;
  double milliseconds;
  double x_human;
};

class LatencyWallRows : public ::testing::TestWithParam<WallRow> {};

LatencyProblem problem(double parameters, double layers, double bytes_per_parameter = 2.0) {
  return {.parameters = parameters,
          .layers = layers,
          .bytes_per_parameter = bytes_per_parameter * byte,
          .memory = bytes(3.3e12),
          .hop = 1.0 * unit::microsecond};
}

TEST_P(LatencyWallRows, AgreesWithTable) {
  const WallRow& row = GetParam();
  const LatencyWall wall = latency_min(problem(row.parameters, row.layers));
  EXPECT_NEAR(wall.devices / row.devices, 1.0, 1e-3);
  EXPECT_NEAR(wall.time.in(unit::millisecond) / row.milliseconds, 1.0, 1e-3);
  EXPECT_NEAR(speed_x_human(wall.time, 500.0) / row.x_human, 1.0, 4e-3);
}

// C13, C14, C15, C16. The rows named 8B and 70B are Llama 3 with its 8.03 and 70.6 billion
// parameters.
INSTANTIATE_TEST_SUITE_P(RowsC13ToC16,
                         LatencyWallRows,
                         ::testing::Values(WallRow{8.03e9, 32, 11.31, 1.035, 116},
                                           WallRow{70.6e9, 80, 26.15, 4.269, 28.1},
                                           WallRow{405e9, 126, 61.90, 10.89, 11.0},
                                           WallRow{175e9, 96, 42.41, 6.734, 17.8}));

TEST(LatencyWall, IsTheLeastOverDevices) {
  const LatencyProblem llama = problem(70e9, 80);
  const LatencyWall wall = latency_min(llama);
  EXPECT_LT(wall.time, token_latency(llama, wall.devices * 1.1));
  EXPECT_LT(wall.time, token_latency(llama, wall.devices / 1.1));
}

TEST(LatencyWall, OneDeviceOnlyReadsItsWeights) {  // 2 * 70e9 / 3.3e12
  EXPECT_NEAR(token_latency(problem(70e9, 80), 1.0).in(second), 140e9 / 3.3e12, 1e-12);
}

}  // namespace
}  // namespace forerun
