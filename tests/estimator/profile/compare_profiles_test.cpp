// Slower is what exceeds the tolerance and both intervals; nothing else is.
#include "estimator/profile/compare_profiles.hpp"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "estimator/profile/profile_json.hpp"
#include "estimator/profile/topology_json.hpp"
#include "tests/estimator/profile/made_profile.hpp"

namespace forerun {
namespace {

constexpr auto byte_rate = unit::byte / unit::second;

MeasuredTopology two_pairs(double bandwidth, double error) {
  return find_levels({{0, 1, 1.0 * unit::microsecond, bandwidth * byte_rate, 0.01, error}},
                     {"n0", "n0"});
}

std::vector<std::string> slower(const std::vector<Comparison>& rows) {
  std::vector<std::string> keys;
  for (const Comparison& row : rows) {
    if (row.is_slower) {
      keys.push_back(row.key);
    }
  }
  return keys;
}

TEST(CompareProfiles, FindsNothingBetweenEqualOnes) {
  const Profile profile = made_profile();
  const auto rows = compare_profiles(profile, profile, 0.05);
  EXPECT_EQ(rows.size(), profile.kernels.size() + profile.collectives.size());
  EXPECT_TRUE(slower(rows).empty());
}

// Intervals are 1 % to each side: 4 % slower is beyond them but within 5 %, 6 % is not.
TEST(CompareProfiles, NamesWhatExceedsTheTolerance) {
  const Profile before = made_profile();
  Profile after = before;
  after.kernels[0].timing = exactly(1.04 * before.kernels[0].timing.median);
  after.kernels[1].timing = exactly(1.06 * before.kernels[1].timing.median);
  after.kernels[2].timing = exactly(0.50 * before.kernels[2].timing.median);
  const auto rows = compare_profiles(before, after, 0.05);
  EXPECT_THAT(slower(rows), testing::ElementsAre(text_of(before.kernels[1].key)));
  EXPECT_EQ(rows.front().key, text_of(before.kernels[1].key));
  EXPECT_NEAR(rows.front().ratio, 1.06, 1e-12);
}

// What a link carries in a row may fall while one message by itself is as fast as ever.
TEST(CompareProfiles, NamesWhatIsSlowerBackToBack) {
  Profile before = made_profile();
  ASSERT_FALSE(before.collectives.empty());
  CollectiveRecord& record = before.collectives.front();
  record.back_to_back = record.timing.median;
  Profile after = before;
  EXPECT_TRUE(slower(compare_profiles(before, after, 0.05)).empty());
  after.collectives.front().back_to_back = 1.3 * record.timing.median;
  EXPECT_THAT(slower(compare_profiles(before, after, 0.05)),
              testing::ElementsAre(text_of(record.key) + " back to back"));
  after.collectives.front().back_to_back = std::nullopt;
  EXPECT_THAT(not_measured_again(before, after),
              testing::ElementsAre(text_of(record.key) + " back to back"));
}

TEST(CompareProfiles, LetsOverlappingIntervalsPass) {
  const Profile before = made_profile();
  Profile after = before;
  after.kernels[0].timing = exactly(1.20 * before.kernels[0].timing.median);
  after.kernels[0].timing.low = before.kernels[0].timing.high;
  EXPECT_TRUE(slower(compare_profiles(before, after, 0.05)).empty());
}

TEST(CompareProfiles, NamesWhatWasNotMeasuredAgain) {
  const Profile before = made_profile();
  Profile after = before;
  after.collectives.erase(after.collectives.begin());
  EXPECT_THAT(not_measured_again(before, after),
              testing::ElementsAre(text_of(before.collectives.front().key)));
  EXPECT_TRUE(not_measured_again(after, before).empty());
}

// Ranks 0 and 1 are another link where they lie on other hosts.
TEST(CompareProfiles, TellsLinksByTheirHosts) {
  Profile before = made_profile();
  before.hosts = {"n1", "n2"};
  before.topology = two_pairs(10e9, 0.02);
  Profile after = before;
  after.topology = two_pairs(8e9, 0.02);
  EXPECT_THAT(
      slower(compare_profiles(before, after, 0.05)),
      testing::UnorderedElementsAre("link 0-1 (n1, n2) bandwidth", "level 'node' bandwidth"));
  after.hosts = {"n1", "n3"};
  EXPECT_THAT(slower(compare_profiles(before, after, 0.05)),
              testing::ElementsAre("level 'node' bandwidth"));
  EXPECT_THAT(not_measured_again(before, after), testing::Contains("link 0-1 (n1, n2) bandwidth"));
}

TEST(CompareProfiles, NamesSlowerLinks) {
  Profile before = made_profile();
  Profile after = before;
  before.topology = two_pairs(10e9, 0.02);
  after.topology = two_pairs(8e9, 0.02);
  EXPECT_THAT(slower(compare_profiles(before, after, 0.05)),
              testing::UnorderedElementsAre("link 0-1 (n0) bandwidth", "level 'node' bandwidth"));
  after.topology = two_pairs(8e9, 0.3);
  EXPECT_THAT(slower(compare_profiles(before, after, 0.05)),
              testing::ElementsAre("level 'node' bandwidth"));
}

LinkLevel promised_level(std::int64_t devices, double rate, LinkKind kind = LinkKind::switched) {
  LinkLevel level;
  level.devices = devices;
  level.bandwidth = rate * byte_rate;
  level.latency = 1.0 * unit::millisecond;
  level.kind = kind;
  return level;
}

// Every pair of so many ranks at one rate.
Profile all_pairs(const std::vector<std::string>& hosts, double rate) {
  std::vector<PairDistance> pairs;
  const auto ranks = static_cast<std::int64_t>(hosts.size());
  for (std::int64_t a = 0; a < ranks; ++a) {
    for (std::int64_t b = a + 1; b < ranks; ++b) {
      pairs.push_back({a, b, 1.0 * unit::microsecond, rate * byte_rate, 0.01, 0.01});
    }
  }
  Profile profile;
  profile.hosts = hosts;
  profile.ranks = ranks;
  profile.ranks_per_node = std::ranges::count(hosts, hosts.front());
  profile.topology = find_levels(pairs, hosts);
  return profile;
}

// Four hosts of one rank: their network of 12 GB/s is not the file's shared memory of 100 GB/s.
TEST(CompareProfiles, HoldsTheNetworkOfSingleRanksAgainstTheNetwork) {
  Cluster cluster;
  cluster.devices_per_node = 2;
  cluster.levels = {promised_level(2, 100e9), promised_level(64, 12.5e9)};
  const std::vector<std::string> hosts{"a", "b", "c", "d"};
  EXPECT_TRUE(slower(compare_with_cluster(cluster, all_pairs(hosts, 12e9), 0.05)).empty());
  EXPECT_THAT(slower(compare_with_cluster(cluster, all_pairs(hosts, 9e9), 0.05)),
              testing::ElementsAre("level 'network' bandwidth"));
  cluster.levels.pop_back();  // says nothing of a network
  EXPECT_TRUE(compare_with_cluster(cluster, all_pairs(hosts, 12e9), 0.05).empty());
}

// Eight ranks on a node that the file gives two devices: each has a quarter of a device's 12.5
// GB/s.
TEST(CompareProfiles, DividesADevicesNetworkAmongItsRanks) {
  Cluster cluster;
  cluster.devices_per_node = 2;
  cluster.levels = {promised_level(2, 100e9), promised_level(64, 12.5e9)};
  std::vector<std::string> hosts(16, "a");
  std::fill(hosts.begin() + 8, hosts.end(), "b");
  Profile profile = all_pairs(hosts, 3e9);
  MeasuredLevel network = profile.topology->levels.front();
  network.name = "network";
  network.devices = 16;
  profile.topology->levels = {network};
  EXPECT_TRUE(slower(compare_with_cluster(cluster, profile, 0.05)).empty());
}

// A pair has one of a mesh's seven links, 448 / 7 = 64 GB/s, and one of a torus's six ports,
// 300 / 6 = 50 GB/s, not what a ring gets of all of them.
TEST(CompareProfiles, HoldsAPairAgainstWhatOnePairGets) {
  const std::vector<std::string> hosts(8, "a");
  Cluster cluster;
  cluster.devices_per_node = 8;
  cluster.levels = {promised_level(8, 448e9, LinkKind::mesh)};
  EXPECT_TRUE(slower(compare_with_cluster(cluster, all_pairs(hosts, 63e9), 0.05)).empty());
  EXPECT_THAT(slower(compare_with_cluster(cluster, all_pairs(hosts, 50e9), 0.05)),
              testing::ElementsAre("level 'node' bandwidth"));
  cluster.levels = {promised_level(8, 300e9, LinkKind::torus)};
  cluster.levels[0].axes = {2, 2, 2};
  EXPECT_TRUE(slower(compare_with_cluster(cluster, all_pairs(hosts, 49e9), 0.05)).empty());
  EXPECT_THAT(slower(compare_with_cluster(cluster, all_pairs(hosts, 40e9), 0.05)),
              testing::ElementsAre("level 'node' bandwidth"));
}

// 100 GFLOP/s against a peak of 1 TFLOP/s; the node's level against the file's.
TEST(CompareProfiles, HoldsAProfileAgainstACluster) {
  Cluster cluster;
  cluster.name = "promised";
  cluster.device.peak[DataType::fp32] = 1e12 * unit::flop / unit::second;
  cluster.device.memory_bandwidth = 1e12 * byte_rate;
  LinkLevel level;
  level.devices = 2;
  level.bandwidth = 20e9 * byte_rate;
  level.latency = 5.0 * unit::microsecond;
  cluster.levels = {level};
  cluster.devices_per_node = 2;
  Profile after = made_profile();
  after.topology = two_pairs(10e9, 0.01);
  const auto found = slower(compare_with_cluster(cluster, after, 0.05));
  EXPECT_THAT(found, testing::Contains("level 'node' bandwidth"));
  EXPECT_THAT(found, testing::Not(testing::Contains("level 'node' latency")));
  EXPECT_THAT(found, testing::Contains(text_of(gemm_key(2048))));
}

TEST(MeasuredTopologyJson, ReadsBackWhatItWrote) {
  MeasuredTopology topology =
      find_levels({{0, 1, 1e-6 * unit::second, 1e10 * byte_rate, 0.01, 0.02},
                   {0, 2, 5e-5 * unit::second, 1e8 * byte_rate, 0.01, 0.02},
                   {0, 3, 5e-5 * unit::second, 1e8 * byte_rate, 0.01, 0.02},
                   {1, 2, 5e-5 * unit::second, 1e8 * byte_rate, 0.01, 0.02},
                   {1, 3, 5e-5 * unit::second, 3e7 * byte_rate, 0.01, 0.02},
                   {2, 3, 1e-6 * unit::second, 1e10 * byte_rate, 0.01, 0.02}},
                  {"a", "a", "b", "b"});
  topology.levels[1].latency_alone = 4e-5 * unit::second;
  topology.levels[1].bandwidth_alone = 1.2e8 * byte_rate;
  ASSERT_EQ(topology.slow_links.size(), 1U);
  const nlohmann::ordered_json json{{"measured", to_json(topology)}};
  const auto read = measured_topology_from(json, "measured");
  ASSERT_TRUE(read);
  EXPECT_EQ(to_json(*read).dump(), json["measured"].dump());
  EXPECT_EQ(read->pairs, topology.pairs);
  EXPECT_FALSE(measured_topology_from(json, "absent"));
}

}  // namespace
}  // namespace forerun
