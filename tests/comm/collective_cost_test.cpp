// Laws and hand-worked numbers of the collective cost models.
#include "comm/collective_cost.hpp"

#include <array>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "tests/comm/made_levels.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr std::array<GroupShape, 6> several_shapes{
    {{2, 2, 4}, {8, 8, 1}, {16, 8, 1}, {128, 1, 8}, {24, 8, 1}, {512, 4, 2}}};

double microseconds(const CollectiveKey& key, const std::vector<LinkLevel>& levels) {
  return collective_time(key, levels).in(unit::microsecond);
}

TEST(CollectiveTime, OneRankCostsNothing) {
  for (const Collective op : every_operation) {
    EXPECT_EQ(collective_time(key_of(op, 1 << 20, {1, 1, 8}), two_levels()), Seconds());
  }
}

TEST(CollectiveTime, SeveralRanksWithoutLinksIsAMistake) {
  EXPECT_THROW((void)collective_time(key_of(Collective::all_reduce, 1, {2, 2, 1}), {}),
               std::invalid_argument);
}

TEST(CollectiveTime, PerfectLinksCostNothing) {
  std::vector<LinkLevel> levels = two_levels();
  for (LinkLevel& level : levels) {
    level.latency = {};
    level.bandwidth = BytesPerSecond::infinite();
  }
  for (const Collective op : every_operation) {
    for (const GroupShape& shape : several_shapes) {
      EXPECT_EQ(collective_time(key_of(op, 1 << 30, shape), levels), Seconds());
    }
  }
}

TEST(CollectiveTime, MoreBandwidthIsNeverSlower) {
  for (const std::size_t improved : {0U, 1U}) {
    std::vector<LinkLevel> faster = two_levels();
    faster[improved].bandwidth *= 2.0;
    for (const Collective op : every_operation) {
      for (const GroupShape& shape : several_shapes) {
        for (const std::int64_t bytes : {1000, 1000000, 1000000000}) {
          const CollectiveKey key = key_of(op, bytes, shape);
          EXPECT_LE(collective_time(key, faster), collective_time(key, two_levels()))
              << text_of(key);
        }
      }
    }
  }
}

TEST(CollectiveTime, MoreBytesAreNeverFaster) {
  for (const Collective op : every_operation) {
    for (const GroupShape& shape : several_shapes) {
      Seconds before;
      for (std::int64_t bytes = 1; bytes < (std::int64_t{1} << 34); bytes *= 3) {
        const Seconds time = collective_time(key_of(op, bytes, shape), two_levels());
        EXPECT_GE(time, before);
        before = time;
      }
    }
  }
}

TEST(CollectiveTime, OversubscribedLevelIsNeverFaster) {
  std::vector<LinkLevel> levels = two_levels();
  levels[1].oversubscription = 7.0;
  for (const Collective op : every_operation) {
    const CollectiveKey key = key_of(op, 1 << 30, {128, 1, 8});
    EXPECT_GE(collective_time(key, levels), collective_time(key, two_levels()));
  }
}

// 2 * 7 steps of 2 us; 2 * 7/8 * 80e6 bytes / 400e9 B/s = 350 us.
TEST(RingAllReduce, InsideANode) {
  EXPECT_NEAR(microseconds(key_of(Collective::all_reduce, 80'000'000, {8, 8, 1}), two_levels()),
              28.0 + 350.0,
              1e-9);
}

TEST(RingAllReduce, EfficiencyDividesTheBandwidth) {
  std::vector<LinkLevel> levels = two_levels();
  levels[0].efficiency = 0.5;
  EXPECT_NEAR(microseconds(key_of(Collective::all_reduce, 80'000'000, {8, 8, 1}), levels),
              28.0 + 700.0,
              1e-9);
}

// 7 steps of 2 us; 7/8 * 80e6 / 400e9 = 175 us.
TEST(RingAllGather, InsideANode) {
  EXPECT_NEAR(microseconds(key_of(Collective::all_gather, 80'000'000, {8, 8, 1}), two_levels()),
              14.0 + 175.0,
              1e-9);
}

// 16 ranks on 2 nodes: 14 steps inside, 1 between: 28 + 10 us. 15/16 * 80e6 bytes leave each node
// over 8 * 50 GB/s: 187.5 us; the same over one rank's 400 GB/s takes as long.
TEST(RingAllGather, OverTwoNodes) {
  EXPECT_NEAR(microseconds(key_of(Collective::all_gather, 80'000'000, {16, 8, 1}), two_levels()),
              38.0 + 187.5,
              1e-9);
}

// One rank a node, eight groups at once: each has the 50 GB/s of its own device: 3 steps of 10 us,
// 3/4 * 80e6 / 50e9 = 1200 us.
TEST(RingAllGather, GroupsShareTheNodesLinks) {
  EXPECT_NEAR(microseconds(key_of(Collective::all_gather, 80'000'000, {4, 1, 8}), two_levels()),
              30.0 + 1200.0,
              1e-9);
}

// Sixteen groups on a node of eight devices: half of 50 GB/s each.
TEST(RingAllGather, MoreGroupsThanDevicesHalveTheRate) {
  EXPECT_NEAR(microseconds(key_of(Collective::all_gather, 80'000'000, {4, 1, 16}), two_levels()),
              30.0 + 2400.0,
              1e-9);
}

// A chain of 7 steps of 2 us; the tensor passes each link once: 80e6 / 400e9 = 200 us.
TEST(Broadcast, InsideANode) {
  EXPECT_NEAR(microseconds(key_of(Collective::broadcast, 80'000'000, {8, 8, 1}), two_levels()),
              14.0 + 200.0,
              1e-9);
}

// A few bytes over 128 nodes: 2 * log2(128) = 14 steps of 10 us in the tree, 254 in the ring.
TEST(TreeAllReduce, WinsForSmallMessagesOnManyNodes) {
  EXPECT_NEAR(
      microseconds(key_of(Collective::all_reduce, 0, {128, 1, 8}), two_levels()), 140.0, 1e-9);
}

// Large tensors over 4 nodes go by ring: 2 * 31/32 * 3.2e9 / 400e9 = 15.5 ms, against 2 * 3.2e9 /
// 400e9 / 0.92 = 17.4 ms; latency 2 * (28 * 2 + 3 * 10) = 172 us.
TEST(RingAllReduce, WinsForLargeTensors) {
  EXPECT_NEAR(microseconds(key_of(Collective::all_reduce, 3'200'000'000, {32, 8, 1}), two_levels()),
              172.0 + 15500.0,
              1e-6);
}

// 7 messages of 2 us; 7/8 * 80e6 / 400e9 = 175 us.
TEST(AllToAll, InsideANode) {
  EXPECT_NEAR(microseconds(key_of(Collective::all_to_all, 80'000'000, {8, 8, 1}), two_levels()),
              14.0 + 175.0,
              1e-9);
}

// 16 ranks on 2 nodes: 8/16 of the buffer over 50 GB/s = 800 us, beside 7/16 over 400 GB/s; 7
// messages of 2 us and 8 of 10 us.
TEST(AllToAll, OverTwoNodesIsBoundByTheNetwork) {
  EXPECT_NEAR(microseconds(key_of(Collective::all_to_all, 80'000'000, {16, 8, 1}), two_levels()),
              14.0 + 80.0 + 800.0,
              1e-9);
}

// Nothing but latency: Bruck's 3 rounds inside and 4 between, not 127 messages.
TEST(AllToAll, SmallMessagesTakeLogarithmicallyManyRounds) {
  EXPECT_NEAR(microseconds(key_of(Collective::all_to_all, 0, {128, 8, 1}), two_levels()),
              3.0 * 2.0 + 4.0 * 10.0,
              1e-9);
}

TEST(SendRecv, InsideANode) {
  EXPECT_NEAR(microseconds(key_of(Collective::send_recv, 40'000'000, {2, 2, 1}), two_levels()),
              2.0 + 100.0,
              1e-9);
}

TEST(SendRecv, BetweenNodes) {
  EXPECT_NEAR(microseconds(key_of(Collective::send_recv, 40'000'000, {2, 1, 8}), two_levels()),
              10.0 + 800.0,
              1e-9);
}

// A leaf joins 4 nodes: a pair of a group of 2 nodes stays under it, one of 16 nodes does not.
TEST(SendRecv, UsesTheLevelThatTheGroupSpans) {
  std::vector<LinkLevel> levels = two_levels();
  levels[1].devices = 32;
  levels.push_back(link(4096, 25.0, 20.0));
  EXPECT_NEAR(
      microseconds(key_of(Collective::send_recv, 40'000'000, {2, 1, 8}), levels), 810.0, 1e-9);
  EXPECT_NEAR(
      microseconds(key_of(Collective::send_recv, 40'000'000, {16, 1, 8}), levels), 1620.0, 1e-9);
}

// 16 nodes under 4 leaves: 15 steps, 12 below and 3 above; each leaf has 4 uplinks of 25 GB/s for
// the 15/16 of 80e6 bytes, which is faster than 50 GB/s out of each node.
TEST(RingAllGather, OverThreeLevels) {
  std::vector<LinkLevel> levels = two_levels();
  levels[1].devices = 32;
  levels.push_back(link(4096, 25.0, 20.0));
  EXPECT_NEAR(microseconds(key_of(Collective::all_gather, 80'000'000, {16, 1, 8}), levels),
              12.0 * 10.0 + 3.0 * 20.0 + 1500.0,
              1e-9);
}

// modelling.md 3.2: 4 nodes of 8 B200, 4 GiB, 50 GB/s per device: measured 22.05 ms; the flat
// multi-ring at full rate takes 2 * 31/32 * 4 GiB / 400 GB/s = 20.8 ms. Measured inside one node:
// 10.15 ms, 682 of 900 GB/s by ring.
std::vector<LinkLevel> measured_b200_nodes() {
  std::vector<LinkLevel> levels{link(8, 900.0, 3.4), link(4096, 50.0, 14.0)};
  levels[0].efficiency = 682.0 / 900.0;
  return levels;
}

TEST(HierarchicalAllReduce, IsWithinAFifthOfTheMeasuredFourNodes) {
  const double time = collective_time(key_of(Collective::all_reduce, 4'294'967'296, {32, 8, 1}),
                                      measured_b200_nodes())
                          .in(unit::millisecond);
  EXPECT_GT(time, 20.8);
  EXPECT_NEAR(time, 22.05, 0.2 * 22.05);
}

TEST(HierarchicalAllReduce, IsWithinAFifthOfTheMeasuredNode) {
  const double time = collective_time(key_of(Collective::all_reduce, 4'294'967'296, {8, 8, 1}),
                                      measured_b200_nodes())
                          .in(unit::millisecond);
  EXPECT_NEAR(time, 10.15, 0.2 * 10.15);
}

// 4 DGX A100: 192 GB/s of bus bandwidth on 8 * 25 GB/s (NVIDIA GTC 2025, nccl-tests).
TEST(HierarchicalAllReduce, ReachesTheBusBandwidthOfFourDgxA100) {
  std::vector<LinkLevel> levels{link(8, 300.0, 3.5), link(4096, 25.0, 14.0)};
  levels[0].efficiency = 235.0 / 300.0;
  const CollectiveKey key = key_of(Collective::all_reduce, 8'000'000'000, {32, 8, 1});
  const BytesPerSecond bus = wire_bytes(key) * unit::byte / collective_time(key, levels);
  EXPECT_NEAR(bus.in(unit::gigabyte / unit::second), 192.0, 0.1 * 192.0);
}

}  // namespace
}  // namespace forerun
