// Products from a table: hand-worked times, and the laws that hold for every size.
#include "estimator/profile/gemm_lattice.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "topologies/read_cluster.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr auto flop_per_s = unit::flop / unit::second;
constexpr auto bytes_per_s = unit::byte / unit::second;

// Half of a 1 PFLOP/s peak and half of 2 TB/s, utilisation 1 but at the largest corner.
GemmTable made_table() {
  GemmTable table;
  table.launch = 4.0 * unit::microsecond;
  table.flop_fraction = 0.5;
  table.byte_fraction = 0.5;
  table.m = {1, 1024};
  table.n = {1024, 8192};
  table.k = {1024, 8192};
  table.utilisation = {1, 1, 1, 1, 1, 1, 1, 1.25};
  return table;
}

GemmLattice made_lattice(const GemmTable& table) {
  return {table, 1e15 * flop_per_s, 2e12 * bytes_per_s};
}

double microseconds(const GemmLattice& lattice, std::int64_t m, std::int64_t n, std::int64_t k) {
  return lattice.time({m, n, k}).in(unit::microsecond);
}

TEST(GemmLattice, FollowsTheRoundedRoofline) {
  const GemmLattice lattice = made_lattice(made_table());
  // 1024^3: 2.147e9 FLOP at 5e14 is 4.295 us, 6,291,456 B at 1e12 is 6.291 us: 4 + 6.6125.
  const double compute = 2.0 * std::pow(1024.0, 3) / 5e14;
  const double memory = 3.0 * 2.0 * 1024.0 * 1024.0 / 1e12;
  const double work = std::pow(std::pow(compute, 4) + std::pow(memory, 4), 0.25);
  EXPECT_NEAR(work * 1e6, 6.6, 0.05);
  EXPECT_NEAR(microseconds(lattice, 1024, 1024, 1024), 4.0 + 1e6 * work, 1e-6);
}

TEST(GemmLattice, DividesByUtilisation) {
  GemmTable flat = made_table();
  flat.utilisation.back() = 1.0;
  const double ratio = microseconds(made_lattice(flat), 1024, 8192, 8192) /
                       microseconds(made_lattice(made_table()), 1024, 8192, 8192);
  EXPECT_NEAR(ratio, 1.25, 1e-9);
  // Half way in the logarithm of every size: an eighth of log 1.25.
  const double middle = microseconds(made_lattice(flat), 32, 2048, 2048) /
                        microseconds(made_lattice(made_table()), 32, 2048, 2048);
  EXPECT_NEAR(middle, std::pow(1.25, 0.5 / 9.0), 2e-3);
}

TEST(GemmLattice, PricesRowsAsWholeTiles) {
  const GemmLattice lattice = made_lattice(made_table());
  EXPECT_EQ(microseconds(lattice, 1025, 4096, 4096), microseconds(lattice, 1152, 4096, 4096));
  EXPECT_LT(microseconds(lattice, 1024, 4096, 4096), microseconds(lattice, 1025, 4096, 4096));
  EXPECT_LT(microseconds(lattice, 64, 4096, 4096), microseconds(lattice, 128, 4096, 4096));
}

TEST(GemmLattice, HoldsTheRateBeyondItself) {
  const GemmLattice lattice = made_lattice(made_table());
  EXPECT_NEAR(microseconds(lattice, 4096, 1048576, 4096),
              4.0 * microseconds(lattice, 4096, 262144, 4096),
              1e-6);
}

TEST(GemmLattice, NeverRunsAboveThePeak) {
  GemmTable boastful = made_table();
  std::ranges::fill(boastful.utilisation, 10.0);
  const double peak_us = 2.0 * 8192.0 * 8192.0 * 8192.0 / 1e15 * 1e6;
  EXPECT_NEAR(microseconds(made_lattice(boastful), 8192, 8192, 8192), peak_us, 1e-6);
}

TEST(GemmLattice, MeetsHalfWayWhereATableSaysLargerIsFaster) {
  GemmTable crooked = made_table();
  crooked.utilisation = {1, 1, 1, 1, 1, 1, 1, 1000.0};
  const GemmLattice lattice = made_lattice(crooked);
  double before = 0.0;
  for (const std::int64_t k : {512, 1024, 1500, 2048, 4096, 6000, 8192, 16384}) {
    const double time = microseconds(lattice, 1024, 8192, k);
    EXPECT_GE(time, before) << k;
    before = time;
  }
}

// Many experts' products are one product that reads every expert's weights.
TEST(GemmLattice, ReadsEveryWeightOfAGroup) {
  const GemmLattice lattice = made_lattice(made_table());
  const double one = microseconds(lattice, 1024, 4096, 4096);
  const auto grouped = [&](double bytes) {
    return lattice.grouped_time({1024, 4096, 4096}, bytes * unit::byte).in(unit::microsecond);
  };
  EXPECT_NEAR(grouped(1.0), one, 1e-6);
  EXPECT_NEAR(grouped(1e12), 1e6 + 4.0, 1.0);  // a second of memory
}

TEST(GemmLattice, CountsQuantisationApart) {
  GemmTable table = made_table();
  table.quantise_launch = 8.0 * unit::microsecond;
  table.quantise_bytes_per_element = 6.0;
  // 1024 x 4096 elements of 6 B at 1 TB/s: 25.17 us.
  EXPECT_NEAR(
      made_lattice(table).quantise_time({1024, 64, 4096}).in(unit::microsecond), 33.17, 0.01);
}

// Sizes from 1 to a million, log-uniform.
class RandomSizes {
 public:
  ProductSizes next() { return {one(), one(), one()}; }

  std::int64_t more_than(std::int64_t size) {
    return size +
           std::max<std::int64_t>(1, std::llround(static_cast<double>(size) * 2.0 * u_(engine_)));
  }

 private:
  std::int64_t one() { return std::llround(std::exp(std::log(1e6) * u_(engine_))); }

  std::mt19937_64 engine_{7};
  std::uniform_real_distribution<double> u_{0.0, 1.0};
};

TEST(GemmLattice, OfEveryCatalogDeviceKeepsTheLaws) {
  for (const char* name : {"dgx-a100",
                           "dgx-a100-40gb",
                           "dgx-h100",
                           "dgx-h200",
                           "dgx-b200",
                           "dgx-b300",
                           "gb200-nvl72",
                           "gb300-nvl72"}) {
    const DeviceSpec device = read_cluster(name).device;
    for (const GemmTable& table : read_device_profile(*device.profile).gemm) {
      const FlopsPerSecond peak = device.peak.at(table.type);
      const GemmLattice lattice(table, peak, device.memory_bandwidth);
      RandomSizes random;
      for (int i = 0; i < 20000; ++i) {
        const ProductSizes sizes = random.next();
        const double time = lattice.time(sizes).in(unit::second);
        ASSERT_TRUE(std::isfinite(time) && time > 0.0) << name;
        const double flop = 2.0 * static_cast<double>(sizes.m) * static_cast<double>(sizes.n) *
                            static_cast<double>(sizes.k);
        ASSERT_LE(flop / time, peak.in(flop_per_s) * (1.0 + 1e-9)) << name;
        constexpr double rounding = 1.0 - 1e-12;
        const auto larger = [&](ProductSizes other) {
          return lattice.time(other).in(unit::second) >= time * rounding;
        };
        ASSERT_TRUE(larger({random.more_than(sizes.m), sizes.n, sizes.k})) << name << sizes.m;
        ASSERT_TRUE(larger({sizes.m, random.more_than(sizes.n), sizes.k})) << name << sizes.n;
        ASSERT_TRUE(larger({sizes.m, sizes.n, random.more_than(sizes.k)})) << name << sizes.k;
      }
    }
  }
}

}  // namespace
}  // namespace forerun
