// Rates by kind of links, worked by hand.
#include "topologies/level_rates.hpp"

#include <gtest/gtest.h>

#include "tests/topologies/gigabyte_rate.hpp"

namespace forerun {
namespace {

LinkLevel torus(double per_device_gbs, std::vector<std::int64_t> axes, bool wraps = true) {
  LinkLevel level;
  level.kind = LinkKind::torus;
  level.devices = 1;
  for (const std::int64_t axis : axes) {
    level.devices *= axis;
  }
  level.axes = std::move(axes);
  level.wraps = wraps;
  level.bandwidth = per_device_gbs * gigabyte_rate;
  return level;
}

double ring_gbs(const LinkLevel& level, std::int64_t members) {
  return ring_bandwidth(level, members).in(gigabyte_rate);
}

double all_to_all_gbs(const LinkLevel& level, std::int64_t members) {
  return all_to_all_bandwidth(level, members).in(gigabyte_rate);
}

// 400 GB/s over four ports of 100: one axis of 16 has 200, both have 400.
TEST(TorusRates, AddUpOverTheAxesThatAGroupFills) {
  const LinkLevel level = torus(400.0, {16, 16});
  EXPECT_DOUBLE_EQ(ring_gbs(level, 16), 200.0);
  EXPECT_DOUBLE_EQ(ring_gbs(level, 256), 400.0);
  EXPECT_DOUBLE_EQ(ring_gbs(level, 8), 100.0);  // part of an axis: a line
  EXPECT_DOUBLE_EQ(ring_gbs(level, 2), 100.0);
}

TEST(TorusRates, AreHalvedWithoutWraparound) {
  const LinkLevel level = torus(400.0, {4, 4}, false);
  EXPECT_DOUBLE_EQ(ring_gbs(level, 4), 100.0);
  EXPECT_DOUBLE_EQ(ring_gbs(level, 16), 200.0);
}

// An all-gather of n S on a ring of n = 16 takes 16 S / 200, an all-to-all of S a device a quarter
// of that: 4 S / 200, or S at 50 GB/s.
TEST(TorusRates, LetAnAllToAllTakeAQuarterOfAnAllGather) {
  const LinkLevel level = torus(400.0, {16, 16});
  const double all_gather = 16.0 / ring_gbs(level, 16);
  const double all_to_all = 1.0 / all_to_all_gbs(level, 16);
  EXPECT_DOUBLE_EQ(all_to_all, all_gather / 4.0);
  EXPECT_DOUBLE_EQ(all_to_all_gbs(level, 256), 50.0);
}

// The axis of 16 decides, not that of 4; on the ring of 4 alone 8 * 100 / 4 = 200, the ring's own.
TEST(TorusRates, AreDecidedByTheLongestAxisInAnAllToAll) {
  const LinkLevel level = torus(600.0, {4, 4, 16});
  EXPECT_DOUBLE_EQ(all_to_all_gbs(level, 4), 200.0);
  EXPECT_DOUBLE_EQ(all_to_all_gbs(level, 256), 50.0);
}

// MI300X: seven links of 64 GB/s.
TEST(MeshRates, CountTheLinksBetweenMembers) {
  LinkLevel level;
  level.kind = LinkKind::mesh;
  level.devices = 8;
  level.bandwidth = 448.0 * gigabyte_rate;
  EXPECT_DOUBLE_EQ(pair_bandwidth(level).in(gigabyte_rate), 64.0);
  EXPECT_DOUBLE_EQ(ring_gbs(level, 2), 64.0);
  EXPECT_DOUBLE_EQ(ring_gbs(level, 4), 192.0);
  EXPECT_DOUBLE_EQ(ring_gbs(level, 8), 448.0);
  EXPECT_DOUBLE_EQ(all_to_all_gbs(level, 8), 448.0);
}

TEST(DragonflyRates, AreHalfBetweenNeighboursAndWholeWhenSpread) {
  LinkLevel level;
  level.kind = LinkKind::dragonfly;
  level.devices = 1024;
  level.bandwidth = 20.0 * gigabyte_rate;
  EXPECT_DOUBLE_EQ(ring_gbs(level, 512), 10.0);
  EXPECT_DOUBLE_EQ(all_to_all_gbs(level, 512), 20.0);
}

TEST(SwitchRates, AreTheDevicesOwn) {
  LinkLevel level;
  level.devices = 8;
  level.bandwidth = 450.0 * gigabyte_rate;
  EXPECT_DOUBLE_EQ(ring_gbs(level, 2), 450.0);
  EXPECT_DOUBLE_EQ(all_to_all_gbs(level, 8), 450.0);
  EXPECT_DOUBLE_EQ(pair_bandwidth(level).in(gigabyte_rate), 450.0);
}

}  // namespace
}  // namespace forerun
