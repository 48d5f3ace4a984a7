// Each algorithm's steps and bytes, and its time over levels, at numbers worked by hand.
#include <array>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "comm/collective_cost.hpp"
#include "comm/cost/bruck.hpp"
#include "comm/cost/double_binary_tree.hpp"
#include "comm/cost/hierarchical.hpp"
#include "comm/cost/pairwise.hpp"
#include "comm/cost/recursive_doubling.hpp"
#include "comm/cost/recursive_halving.hpp"
#include "comm/cost/ring.hpp"
#include "comm/cost/switch_reduced.hpp"
#include "tests/comm/made_levels.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr Bytes payload = 80.0 * unit::megabyte;

double us(Seconds time) {
  return time.in(unit::microsecond);
}

void expect_traffic(const Traffic& traffic, double steps, double megabytes) {
  EXPECT_DOUBLE_EQ(traffic.steps, steps);
  EXPECT_DOUBLE_EQ(traffic.wire.in(unit::megabyte), megabytes);
}

TEST(Traffic, OfOneRankIsNothing) {
  for (const Traffic& traffic : {ring_traffic(Collective::all_reduce, payload, 1),
                                 double_binary_tree_traffic(payload, 1),
                                 recursive_doubling_traffic(payload, 1),
                                 recursive_halving_traffic(Collective::all_reduce, payload, 1),
                                 pairwise_traffic(payload, 1),
                                 bruck_traffic(Collective::all_to_all, payload, 1),
                                 switch_reduced_traffic(payload, 1)}) {
    expect_traffic(traffic, 0.0, 0.0);
  }
}

// 2 * 7 steps, 2 * 7/8 of 80 MB: no all-reduce sends less.
TEST(Traffic, OfARingIsTheLowerBound) {
  expect_traffic(ring_traffic(Collective::all_reduce, payload, 8), 14.0, 140.0);
  expect_traffic(ring_traffic(Collective::all_gather, payload, 8), 7.0, 70.0);
  expect_traffic(ring_traffic(Collective::reduce_scatter, payload, 8), 7.0, 70.0);
  expect_traffic(ring_traffic(Collective::broadcast, payload, 8), 7.0, 80.0);
  for (const std::int64_t ranks : {2, 3, 8, 100}) {
    const double least = wire_bytes(key_of(Collective::all_reduce, 80'000'000, {ranks, ranks, 1}));
    EXPECT_DOUBLE_EQ(ring_traffic(Collective::all_reduce, payload, ranks).wire.in(unit::byte),
                     least);
    EXPECT_GE(double_binary_tree_traffic(payload, ranks).wire.in(unit::byte), least * (1 - 1e-12));
    EXPECT_GE(recursive_doubling_traffic(payload, ranks).wire.in(unit::byte), least * (1 - 1e-12));
  }
}

TEST(Traffic, OfTheOthers) {
  expect_traffic(double_binary_tree_traffic(payload, 2), 2.0, 80.0);
  expect_traffic(double_binary_tree_traffic(payload, 3), 4.0, 120.0);
  expect_traffic(double_binary_tree_traffic(payload, 16), 8.0, 160.0);
  expect_traffic(recursive_doubling_traffic(payload, 8), 3.0, 240.0);
  expect_traffic(recursive_halving_traffic(Collective::all_reduce, payload, 8), 6.0, 140.0);
  expect_traffic(recursive_halving_traffic(Collective::reduce_scatter, payload, 8), 3.0, 70.0);
  expect_traffic(pairwise_traffic(payload, 8), 7.0, 70.0);
  expect_traffic(bruck_traffic(Collective::all_to_all, payload, 8), 3.0, 120.0);
  expect_traffic(bruck_traffic(Collective::all_gather, payload, 8), 3.0, 70.0);
  expect_traffic(switch_reduced_traffic(payload, 8), 2.0, 90.0);
}

// 3 (2 us + 80e6 / 400e9) inside a node; 2 steps of 10 us + 80e6 / 50e9 more over 4 nodes.
TEST(RecursiveDoubling, SendsTheWholeVectorEachStep) {
  EXPECT_NEAR(us(recursive_doubling_time(key_of(Collective::all_reduce, 80'000'000, {8, 8, 1}),
                                         two_levels())),
              6.0 + 600.0,
              1e-9);
  EXPECT_NEAR(us(recursive_doubling_time(key_of(Collective::all_reduce, 80'000'000, {32, 8, 1}),
                                         two_levels())),
              606.0 + 20.0 + 3200.0,
              1e-9);
}

// Inside 6 steps and 140 MB over 400 GB/s; between 4 nodes an eighth is left: 2 * 3/4 * 10 MB over
// 50 GB/s, 4 steps.
TEST(RecursiveHalving, LeavesTheNetworkAnEighth) {
  EXPECT_NEAR(us(recursive_halving_time(key_of(Collective::all_reduce, 80'000'000, {32, 8, 1}),
                                        two_levels())),
              12.0 + 350.0 + 40.0 + 300.0,
              1e-9);
  EXPECT_NEAR(us(recursive_halving_time(key_of(Collective::reduce_scatter, 80'000'000, {8, 8, 1}),
                                        two_levels())),
              6.0 + 175.0,
              1e-9);
}

// Six ranks of a node, 80 MB at 400 GB/s: four halve and double, 3/4 of it twice in 4 steps; the
// two too many give a half to and fro and get all at the end, 400 us in 3 steps; of parts all and a
// sixth in 2. Of three ranks two halve.
TEST(RecursiveHalving, FoldsRanksBeyondAPowerOfTwo) {
  EXPECT_NEAR(us(recursive_halving_time(key_of(Collective::all_reduce, 80'000'000, {6, 6, 1}),
                                        two_levels())),
              8.0 + 300.0 + 6.0 + 400.0,
              1e-9);
  EXPECT_NEAR(us(recursive_halving_time(key_of(Collective::reduce_scatter, 60'000'000, {6, 6, 1}),
                                        two_levels())),
              4.0 + 112.5 + 4.0 + 175.0,
              1e-9);
  EXPECT_NEAR(us(recursive_halving_time(key_of(Collective::all_reduce, 80'000'000, {3, 3, 1}),
                                        two_levels())),
              4.0 + 200.0 + 6.0 + 400.0,
              1e-9);
}

// Rounds 3 and 2; a rank holds 1/32 -> 1/4 -> all of the tensor: 17.5 MB at 400 GB/s, 60 at 50.
TEST(Bruck, GathersTheMostLast) {
  EXPECT_NEAR(us(bruck_time(key_of(Collective::all_gather, 80'000'000, {32, 8, 1}), two_levels())),
              6.0 + 43.75 + 20.0 + 1200.0,
              1e-9);
}

// One pass: 9/8 * 80 MB over 400 GB/s, up and down at 2 us. Over 4 nodes 5/4 * 10 MB at 50 GB/s and
// two steps of 10 us more; where only the nodes reduce, 6 steps and 3/2 * 10 MB between them.
TEST(SwitchReduced, TakesOnePass) {
  auto levels = two_levels();
  const CollectiveKey inside = key_of(Collective::all_reduce, 80'000'000, {8, 8, 1});
  const CollectiveKey across = key_of(Collective::all_reduce, 80'000'000, {32, 8, 1});
  EXPECT_EQ(switch_reduced_time(across, levels), Seconds::infinite());
  levels[0].in_network_reduction = true;
  EXPECT_NEAR(us(switch_reduced_time(inside, levels)), 4.0 + 225.0, 1e-9);
  EXPECT_NEAR(us(switch_reduced_time(across, levels)), 64.0 + 300.0, 1e-9);
  levels[1].in_network_reduction = true;
  EXPECT_NEAR(us(switch_reduced_time(across, levels)), 24.0 + 250.0, 1e-9);
  // The cluster says so: it is what an all-reduce takes, and only an all-reduce.
  EXPECT_EQ(collective_time(across, levels), switch_reduced_time(across, levels));
  const CollectiveKey gathered = key_of(Collective::all_gather, 80'000'000, {32, 8, 1});
  EXPECT_EQ(collective_time(gathered, levels), collective_time(gathered, two_levels()));
}

// The upper gain over the ring, without latency: 2 (n-1) / (n+1).
TEST(SwitchReduced, GainsAtMostTwoNMinusOneOverNPlusOne) {
  for (const std::int64_t ranks : {4, 8, 64}) {
    const double gain = ring_traffic(Collective::all_reduce, payload, ranks).wire /
                        switch_reduced_traffic(payload, ranks).wire;
    const auto n = static_cast<double>(ranks);
    EXPECT_NEAR(gain, 2.0 * (n - 1.0) / (n + 1.0), 1e-12);
  }
}

// modelling.md 3.2: 4 GiB over 4 nodes of 8 B200 with 50 GB/s each: 2 * 3/4 * 512 MiB / 50 GB/s =
// 16.1 ms between the nodes; measured 22.05 ms. The flat rings take 2 * 31/32 * 4 GiB / 400 GB/s.
TEST(Hierarchical, MeetsTheWorkedCheckOfFourNodes) {
  const std::vector<LinkLevel> levels{link(8, 682.0, 0.0), link(4096, 50.0, 0.0)};
  const CollectiveKey key = key_of(Collective::all_reduce, 4'294'967'296, {32, 8, 1});
  EXPECT_NEAR(hierarchical_parts(key, levels).between.in(unit::millisecond), 16.1, 0.05);
  EXPECT_NEAR(hierarchical_time(key, levels).in(unit::millisecond), 22.05, 0.1);
  EXPECT_NEAR(ring_time(key, levels).in(unit::millisecond), 20.8, 0.05);
}

TEST(Hierarchical, IsTheRingInsideOneNode) {
  const CollectiveKey key = key_of(Collective::all_reduce, 80'000'000, {8, 8, 1});
  EXPECT_NEAR(us(hierarchical_time(key, two_levels())), us(ring_time(key, two_levels())), 1e-9);
}

// Open MPI 4.1 and 5.0 halve and double a large all-reduce; sums that stay in parts go round the
// ring.
TEST(MpiCollectiveTime, HalvesAndDoublesLargeSums) {
  const CollectiveKey sum = key_of(Collective::all_reduce, 80'000'000, {32, 8, 1});
  EXPECT_NEAR(us(mpi_collective_time(sum, two_levels())), 12.0 + 350.0 + 40.0 + 300.0, 1e-9);
  const CollectiveKey parts = key_of(Collective::reduce_scatter, 80'000'000, {32, 8, 1});
  EXPECT_EQ(mpi_collective_time(parts, two_levels()), ring_time(parts, two_levels()));
  const CollectiveKey few = key_of(Collective::all_reduce, 100'000, {3, 3, 1});
  EXPECT_EQ(mpi_collective_time(few, two_levels()), ring_time(few, two_levels()));
}

TEST(MpiCollectiveTime, HalvesSmallSumsThatStayInParts) {
  const CollectiveKey small = key_of(Collective::reduce_scatter, 100'000, {32, 8, 1});
  EXPECT_EQ(mpi_collective_time(small, two_levels()), recursive_halving_time(small, two_levels()));
  const CollectiveKey few = key_of(Collective::reduce_scatter, 100'000, {3, 3, 1});
  EXPECT_EQ(mpi_collective_time(few, two_levels()), ring_time(few, two_levels()));
}

// Up to 31 ranks what a rank holds doubles, however large; beyond, neighbours pass it on.
TEST(MpiCollectiveTime, GathersByDoublingOnFewRanks) {
  const CollectiveKey few = key_of(Collective::all_gather, 80'000'000, {16, 8, 1});
  EXPECT_EQ(mpi_collective_time(few, two_levels()), bruck_time(few, two_levels()));
  const CollectiveKey many = key_of(Collective::all_gather, 80'000'000, {32, 8, 1});
  EXPECT_EQ(mpi_collective_time(many, two_levels()), ring_time(many, two_levels()));
}

// Blocks of 500 and of 600 bytes for each of 16 others.
TEST(MpiCollectiveTime, ExchangesSmallBlocksThroughOthers) {
  const CollectiveKey small = key_of(Collective::all_to_all, 8'000, {16, 8, 1});
  EXPECT_EQ(mpi_collective_time(small, two_levels()), bruck_time(small, two_levels()));
  const CollectiveKey larger = key_of(Collective::all_to_all, 9'600, {16, 8, 1});
  EXPECT_EQ(mpi_collective_time(larger, two_levels()), pairwise_time(larger, two_levels()));
}

// A few bytes over 8 ranks: 3 steps of 2 us instead of the ring's 14.
TEST(MpiCollectiveTime, DoublesForSmallMessages) {
  EXPECT_NEAR(us(mpi_collective_time(key_of(Collective::all_reduce, 0, {8, 8, 1}), two_levels())),
              6.0,
              1e-9);
}

// Oversubscription by 7 above the leaves, 4 nodes each: 60 MB over 16 nodes' worth of uplinks.
TEST(GroupPlacement, OversubscriptionDividesTheRate) {
  std::vector<LinkLevel> levels{link(8, 400.0, 0.0), link(32, 50.0, 0.0), link(4096, 50.0, 0.0)};
  const CollectiveKey key = key_of(Collective::send_recv, 80'000'000, {16, 1, 8});
  const Seconds full = send_recv_time(key, levels);
  levels[2].oversubscription = 7.0;
  EXPECT_NEAR(send_recv_time(key, levels) / full, 7.0, 1e-9);
}

// On rails the same place of every node stays below the spine, oversubscribed or not. An exchange
// sends 7/8 of what leaves a node through a neighbour first: 7 and 7/8 of 24 blocks of 2.5 MB
// inside.
TEST(GroupPlacement, RailsAvoidTheOversubscribedSpine) {
  std::vector<LinkLevel> levels = two_levels();
  levels[1].oversubscription = 4.0;
  std::vector<LinkLevel> rails = levels;
  rails[1].rails = 8;
  for (const Collective op : {Collective::all_reduce, Collective::send_recv}) {
    const CollectiveKey key = key_of(op, 80'000'000, {4, 1, 8});
    EXPECT_NEAR(us(collective_time(key, rails)), us(collective_time(key, two_levels())), 1e-9);
    EXPECT_GT(collective_time(key, levels), 3.0 * collective_time(key, rails));
  }
  rails[0].bandwidth = 1.0 * unit::gigabyte / unit::second;
  EXPECT_NEAR(us(pairwise_time(key_of(Collective::all_to_all, 80'000'000, {32, 8, 1}), rails)),
              7.0 * 2.0 + 24.0 * 10.0 + (7.0 + 21.0) * 2500.0,
              1e-6);
}

// All-to-all on 4 nodes of 8: 24/32 of the buffer over 50 GB/s, 7/32 at 400 GB/s beside it.
TEST(Pairwise, SplitsItsBufferOverTheLevels) {
  EXPECT_NEAR(
      us(pairwise_time(key_of(Collective::all_to_all, 80'000'000, {32, 8, 1}), two_levels())),
      7.0 * 2.0 + 24.0 * 10.0 + 1200.0,
      1e-9);
}

// TPU v5e: 256 on a torus of 16 x 16, 200 GB/s a device over four ports of 50. A group of 16 fills
// one axis: 100 GB/s. An all-gather of 1.6 GB takes 15/16 of it over 100 GB/s, 15 ms; an all-to-all
// in which each rank sends 100 MB, the same bytes in all, a quarter of that.
TEST(TorusCost, IsThatOfTheAxesAGroupFills) {
  LinkLevel torus;
  torus.kind = LinkKind::torus;
  torus.devices = 256;
  torus.axes = {16, 16};
  torus.bandwidth = 200e9 * unit::byte / unit::second;
  const std::vector<LinkLevel> levels{torus};
  const GroupShape row{16, 16, 16};
  const CollectiveKey gather{Collective::all_gather, 1600000000, DataType::bf16, row};
  const CollectiveKey shuffle{Collective::all_to_all, 100000000, DataType::bf16, row};
  EXPECT_NEAR(ring_time(gather, levels).in(unit::millisecond), 15.0, 1e-9);
  EXPECT_NEAR(pairwise_time(shuffle, levels).in(unit::millisecond), 15.0 / 4.0, 1e-9);
}

// Eight MI300X, seven links of 64 GB/s each: one message has one of them.
TEST(MeshCost, GivesAMessageOneLink) {
  LinkLevel mesh;
  mesh.kind = LinkKind::mesh;
  mesh.devices = 8;
  mesh.bandwidth = 448e9 * unit::byte / unit::second;
  const std::vector<LinkLevel> levels{mesh};
  const CollectiveKey message{Collective::send_recv, 64000000, DataType::bf16, {2, 2, 4}};
  EXPECT_NEAR(send_recv_time(message, levels).in(unit::millisecond), 1.0, 1e-9);
  const CollectiveKey reduce{Collective::all_reduce, 448000000, DataType::bf16, {8, 8, 1}};
  EXPECT_NEAR(ring_time(reduce, levels).in(unit::millisecond), 1.75, 1e-9);
}

}  // namespace
}  // namespace forerun
