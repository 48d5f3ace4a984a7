// The clusters that come with the program: all readable, and true to their datasheets.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topologies/level_rates.hpp"
#include "topologies/read_cluster.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr auto gigabytes_per_second = unit::gigabyte / unit::second;

TEST(ClusterCatalog, ListsItsClusters) {
  EXPECT_THAT(catalog_clusters(),
              testing::UnorderedElementsAre("cpu-cascade-lake",
                                            "dgx-a100",
                                            "dgx-a100-40gb",
                                            "dgx-b200",
                                            "dgx-b300",
                                            "dgx-h100",
                                            "dgx-h200",
                                            "gb200-nvl72",
                                            "gb300-nvl72",
                                            "h100-oversubscribed",
                                            "mi250x-dragonfly",
                                            "mi300x",
                                            "mi355x",
                                            "tpu-v4",
                                            "tpu-v5e",
                                            "tpu-v5p",
                                            "tpu-v6e",
                                            "trainium2"));
}

TEST(ClusterCatalog, EveryClusterIsReadAndNamedAsItsFile) {
  for (const std::string& name : catalog_clusters()) {
    EXPECT_EQ(read_cluster(name).name, name);
  }
}

TEST(ClusterCatalog, EveryPartSaysWhereItsNumbersAreFrom) {
  for (const std::string& name : catalog_clusters()) {
    const Cluster cluster = read_cluster(name);
    EXPECT_FALSE(cluster.source.empty());
    EXPECT_FALSE(cluster.device.source.empty());
    EXPECT_TRUE(std::ranges::none_of(cluster.levels, &std::string::empty, &LinkLevel::source));
  }
}

// NVIDIA datasheets: 312 and 989 dense TFLOP/s, 2039 and 3350 GB/s, 400 and 700 W.
TEST(ClusterCatalog, A100HasItsDatasheetNumbers) {
  const DeviceSpec device = read_cluster("dgx-a100").device;
  EXPECT_DOUBLE_EQ(device.peak.at(DataType::bf16).in(unit::teraflop / unit::second), 312.0);
  EXPECT_DOUBLE_EQ(device.memory_bandwidth.in(gigabytes_per_second), 2039.0);
  EXPECT_DOUBLE_EQ(device.power->in(unit::watt), 400.0);
}

TEST(ClusterCatalog, H100HasItsDatasheetNumbers) {
  const DeviceSpec device = read_cluster("dgx-h100").device;
  EXPECT_DOUBLE_EQ(device.peak.at(DataType::bf16).in(unit::teraflop / unit::second), 989.0);
  EXPECT_DOUBLE_EQ(device.memory_bandwidth.in(gigabytes_per_second), 3350.0);
  EXPECT_DOUBLE_EQ(device.power->in(unit::watt), 700.0);
}

// 704 GB/s of all-reduce on eight B200 (ai-dynamo/aiconfigurator), within a percent.
TEST(ClusterCatalog, NvlinkOfB200ReachesTheMeasuredAllReduce) {
  const LinkLevel nvlink = read_cluster("dgx-b200").levels.front();
  EXPECT_NEAR((nvlink.bandwidth * nvlink.efficiency).in(gigabytes_per_second), 704.0, 7.0);
}

// A rack is one NVLink domain.
TEST(ClusterCatalog, RacksOf72AreWholeInTheirFabric) {
  for (const char* name : {"gb200-nvl72", "gb300-nvl72"}) {
    const Cluster rack = read_cluster(name);
    EXPECT_EQ(rack.levels.front().devices, 72);
    EXPECT_EQ(rack.max_devices % 72, 0);
  }
}

TEST(ClusterCatalog, H100IsLargeEnoughForLlama405B) {
  EXPECT_GE(read_cluster("dgx-h100").max_devices, 16384);
}

// 367 GB/s of ring all-reduce on eight H200 (stas00/ml-engineering).
TEST(ClusterCatalog, NvlinkOfH200ReachesTheMeasuredRing) {
  const LinkLevel nvlink = read_cluster("dgx-h200").levels.front();
  EXPECT_NEAR((nvlink.bandwidth * nvlink.efficiency).in(gigabytes_per_second), 367.2, 0.5);
}

// 192 GB/s per node of eight adapters on four DGX A100 (NVIDIA GTC 2025).
TEST(ClusterCatalog, InfinibandOfA100ReachesTheMeasuredNode) {
  const LinkLevel infiniband = read_cluster("dgx-a100").levels.back();
  EXPECT_NEAR(
      8.0 * (infiniband.bandwidth * infiniband.efficiency).in(gigabytes_per_second), 192.0, 0.5);
}

// Cloud TPU documentation: 1,200 GB/s both ways a chip over 16 x 20 x 28; an axis of 16 has a
// third.
TEST(ClusterCatalog, TorusOfTpuV5pIsThatOfItsPod) {
  const LinkLevel torus = read_cluster("tpu-v5p").levels.front();
  EXPECT_EQ(torus.kind, LinkKind::torus);
  EXPECT_EQ(torus.axes, (std::vector<std::int64_t>{16, 20, 28}));
  EXPECT_DOUBLE_EQ(ring_bandwidth(torus, 16).in(gigabytes_per_second), 200.0);
  EXPECT_DOUBLE_EQ(ring_bandwidth(torus, 8960).in(gigabytes_per_second), 600.0);
}

TEST(ClusterCatalog, PairsOfMi300xHaveOneLink) {
  const LinkLevel mesh = read_cluster("mi300x").levels.front();
  EXPECT_DOUBLE_EQ(pair_bandwidth(mesh).in(gigabytes_per_second), 64.0);
}

TEST(ClusterCatalog, FatTreeOfLlama3IsOversubscribedAboveItsPods) {
  const Cluster cluster = read_cluster("h100-oversubscribed");
  ASSERT_EQ(cluster.levels.size(), 3U);
  EXPECT_EQ(cluster.levels[1].devices, 3072);
  EXPECT_EQ(cluster.levels[1].oversubscription, 1.0);
  EXPECT_EQ(cluster.levels[2].oversubscription, 7.0);
  EXPECT_TRUE(cluster.levels[0].in_network_reduction);
}

TEST(ClusterCatalog, PriceIsGivenOnlyWithDateAndSource) {
  for (const std::string& name : catalog_clusters()) {
    const Economics economics = read_cluster(name).economics;
    EXPECT_EQ(economics.price_per_device_hour.has_value(), !economics.date.empty());
    EXPECT_EQ(economics.price_per_device_hour.has_value(), !economics.source.empty());
  }
}

TEST(ClusterFormat, ExampleOfTheReadmeIsAccepted) {
  std::ifstream stream(FORERUN_SOURCE_DIR "/topologies/README.md");
  const std::string readme{std::istreambuf_iterator<char>(stream),
                           std::istreambuf_iterator<char>()};
  const std::string opening = "```toml\n";
  const std::size_t begin = readme.find(opening);
  ASSERT_NE(begin, std::string::npos);
  const std::size_t end = readme.find("```", begin + opening.size());
  const std::string example = readme.substr(begin + opening.size(), end - begin - opening.size());
  EXPECT_EQ(read_cluster_text(example, "README.md").name, "my-cluster");
}

}  // namespace
}  // namespace forerun
