// NCCL's model: its constants at hand-worked points, laws, and published bus bandwidths.
#include "comm/cost/nccl_tuning.hpp"

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "tests/comm/made_levels.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

const std::vector<LinkLevel> h100_nodes{link(8, 450.0), link(4096, 50.0)};
const std::vector<LinkLevel> a100_nodes{link(8, 300.0), link(4096, 25.0)};
const std::vector<LinkLevel> b200_nodes{link(8, 900.0), link(4096, 50.0)};

constexpr NcclMachine hopper{NcclArchitecture::hopper, true, true};
constexpr NcclMachine ampere{NcclArchitecture::ampere, true, false};
constexpr NcclMachine blackwell{NcclArchitecture::blackwell, true, true};

constexpr std::int64_t gibibyte = std::int64_t{1} << 30;

double bus_bandwidth(const CollectiveKey& key,
                     const std::vector<LinkLevel>& levels,
                     const NcclMachine& machine) {
  return wire_bytes(key) / 1e9 / nccl_choice(key, levels, machine).time.in(unit::second);
}

TEST(NcclChoice, CostsNothingForOneRank) {
  EXPECT_EQ(nccl_choice(key_of(Collective::all_reduce, 1000, {1, 1, 1}), h100_nodes, hopper).time,
            Seconds());
}

// SHARP over 16 nodes of 8: NVLink's switches take 9/8 of a GiB at 0.85 * 0.824 * 450 GB/s, longer
// than the network its 17/16 of an eighth at 50; 43 us. At 25 GB/s the network is the limit, and
// CollNet's 34.7 us are less.
TEST(NcclChoice, ReducesInANetworkThatCan) {
  const CollectiveKey key = key_of(Collective::all_reduce, gibibyte, {128, 8, 1});
  const auto bytes = static_cast<double>(gibibyte);
  std::vector<LinkLevel> levels = h100_nodes;
  levels[1].in_network_reduction = true;
  const NcclChoice fast = nccl_choice(key, levels, hopper);
  EXPECT_EQ(fast.algorithm, NcclAlgorithm::nvls);
  EXPECT_NEAR(
      fast.time.in(unit::microsecond), 43.0 + 9.0 / 8.0 * bytes / (0.85 * 0.824 * 450e3), 1e-6);
  EXPECT_LT(fast.time, nccl_choice(key, h100_nodes, hopper).time);
  levels[1].bandwidth = 25.0 * unit::gigabyte / unit::second;
  const NcclChoice slow = nccl_choice(key, levels, hopper);
  EXPECT_EQ(slow.algorithm, NcclAlgorithm::collnet);
  EXPECT_NEAR(slow.time.in(unit::microsecond), 34.7 + 17.0 / 16.0 * bytes / 8.0 / 25e3, 1e-6);
  const CollectiveKey gather = key_of(Collective::all_gather, gibibyte, {128, 8, 1});
  EXPECT_EQ(nccl_choice(gather, levels, hopper).algorithm, NcclAlgorithm::ring);
}

// LL: base 6.6 us and 14 steps of 0.6 us in the ring; 6.8 and 14 of 0.6 in the chain of the tree.
TEST(NcclChoice, TakesLowLatencyForAFewBytes) {
  const NcclChoice choice =
      nccl_choice(key_of(Collective::all_reduce, 0, {8, 8, 1}), h100_nodes, hopper);
  EXPECT_EQ(choice.protocol, NcclProtocol::ll);
  EXPECT_EQ(choice.algorithm, NcclAlgorithm::ring);
  EXPECT_NEAR(choice.time.in(unit::microsecond), 15.0, 1e-9);
}

// 16 nodes of 8: ring 6.6 + 30 * 2.7 + (254 - 30) * 0.6 = 222 us in LL; tree 6.8 + 2 (7 * 0.6 +
// 4 * 5) = 55.2 us.
TEST(NcclChoice, TakesTheTreeOverManyNodes) {
  const NcclChoice choice =
      nccl_choice(key_of(Collective::all_reduce, 0, {128, 8, 1}), h100_nodes, hopper);
  EXPECT_EQ(choice.algorithm, NcclAlgorithm::tree);
  EXPECT_NEAR(choice.time.in(unit::microsecond), 55.2, 1e-9);
}

// Two nodes of 8: NCCL gives the tree 0.92 / 2 of a bus and the ring 16 / 30, so that a gigabyte
// goes round: 1.4 (8.4 + 28 * 3.4 + 2 * 14) us and 1.875 GB over the node's 8 * 25 GB/s.
TEST(NcclChoice, TakesTheRingOverTwoNodesForManyBytes) {
  const NcclChoice choice =
      nccl_choice(key_of(Collective::all_reduce, 1'000'000'000, {16, 8, 1}), a100_nodes, ampere);
  EXPECT_EQ(choice.algorithm, NcclAlgorithm::ring);
  EXPECT_EQ(choice.protocol, NcclProtocol::simple);
  EXPECT_NEAR(choice.time.in(unit::microsecond), 1.4 * 131.6 + 1.875 / 200e-6, 1e-6);
}

// Simple: 8.4 + 7 * 3.4 us, and (7/8 + 0.8) / 1.8 GB over 0.824 * 450 GB/s.
TEST(NcclChoice, GathersByRingInSimple) {
  const NcclChoice choice =
      nccl_choice(key_of(Collective::all_gather, 1'000'000'000, {8, 8, 1}), h100_nodes, hopper);
  EXPECT_EQ(choice.protocol, NcclProtocol::simple);
  EXPECT_NEAR(choice.time.in(unit::microsecond), 32.2 + 1.675 / 1.8 / 370.8e-6, 1e-6);
}

TEST(NcclChoice, ReducesInTheSwitchWhereThereIsOne) {
  const CollectiveKey key = key_of(Collective::all_reduce, gibibyte, {8, 8, 1});
  EXPECT_EQ(nccl_choice(key, h100_nodes, hopper).algorithm, NcclAlgorithm::nvls);
  EXPECT_NE(nccl_choice(key, a100_nodes, ampere).algorithm, NcclAlgorithm::nvls);
  NcclMachine off = hopper;
  off.reduces_in_switch = false;
  EXPECT_NE(nccl_choice(key, h100_nodes, off).algorithm, NcclAlgorithm::nvls);
}

constexpr std::array<GroupShape, 5> nccl_shapes{
    {{2, 2, 4}, {8, 8, 1}, {16, 8, 1}, {128, 1, 8}, {512, 4, 2}}};

TEST(NcclChoice, MoreBytesAreNeverFaster) {
  for (const Collective op : every_operation) {
    for (const GroupShape& shape : nccl_shapes) {
      Seconds before;
      for (std::int64_t bytes = 1; bytes < 16 * gibibyte; bytes *= 3) {
        const Seconds time = nccl_choice(key_of(op, bytes, shape), h100_nodes, hopper).time;
        EXPECT_GE(time, before);
        before = time;
      }
    }
  }
}

TEST(NcclChoice, MoreBandwidthIsNeverSlower) {
  for (const std::size_t improved : {0U, 1U}) {
    std::vector<LinkLevel> faster = h100_nodes;
    faster[improved].bandwidth *= 2.0;
    for (const Collective op : every_operation) {
      for (const GroupShape& shape : nccl_shapes) {
        const CollectiveKey key = key_of(op, 100'000'000, shape);
        EXPECT_LE(nccl_choice(key, faster, hopper).time, nccl_choice(key, h100_nodes, hopper).time);
      }
    }
  }
}

// Published bus bandwidths at 16 GiB (stas00/ml-engineering, network; modelling.md 3.4).
TEST(NcclChoice, ReachesPublishedBusBandwidths) {
  const GroupShape node{8, 8, 1};
  NcclMachine off = hopper;
  off.reduces_in_switch = false;
  const auto all_reduce = [](GroupShape group) {
    return key_of(Collective::all_reduce, 16 * gibibyte, group);
  };
  EXPECT_NEAR(bus_bandwidth(all_reduce(node), h100_nodes, hopper), 480.0, 0.1 * 480.0);
  EXPECT_NEAR(bus_bandwidth(all_reduce(node), h100_nodes, off), 367.0, 0.1 * 367.0);
  EXPECT_NEAR(bus_bandwidth(all_reduce(node), a100_nodes, ampere), 235.0, 0.1 * 235.0);
  EXPECT_NEAR(bus_bandwidth(all_reduce(node), b200_nodes, blackwell), 846.0, 0.1 * 846.0);
  EXPECT_NEAR(bus_bandwidth(all_reduce({32, 8, 1}), b200_nodes, blackwell), 382.0, 0.1 * 382.0);
  const CollectiveKey gather = key_of(Collective::all_gather, 16 * gibibyte, node);
  EXPECT_NEAR(bus_bandwidth(gather, h100_nodes, hopper), 361.0, 0.1 * 361.0);
  const CollectiveKey scatter = key_of(Collective::reduce_scatter, 16 * gibibyte, node);
  EXPECT_NEAR(bus_bandwidth(scatter, h100_nodes, hopper), 363.0, 0.1 * 363.0);
}

TEST(NcclMachineOf, ReadsProductNames) {
  EXPECT_EQ(nccl_machine_of("NVIDIA H100 SXM 80 GB")->architecture, NcclArchitecture::hopper);
  EXPECT_TRUE(nccl_machine_of("NVIDIA H100 SXM 80 GB")->reduces_in_switch);
  EXPECT_FALSE(nccl_machine_of("NVIDIA A100 SXM 80 GB")->reduces_in_switch);
  EXPECT_FALSE(nccl_machine_of("NVIDIA A100 PCIe 80 GB")->has_nvlink);
  EXPECT_EQ(nccl_machine_of("GB200")->architecture, NcclArchitecture::blackwell);
  EXPECT_FALSE(nccl_machine_of("AMD Instinct MI300X"));
  EXPECT_FALSE(nccl_machine_of("Intel Xeon A1000 core"));
}

}  // namespace
}  // namespace forerun
