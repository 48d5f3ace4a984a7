// The cluster format: what is read, and the sentence for every mistake.
#include "topologies/read_cluster.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Line numbers below count from the first line of this text.
constexpr const char* valid = R"(name = "two-level"
devices_per_node = 4
max_devices = 64
source = "a test"

[device]
name = "imaginary"
memory = "80 GiB"
memory_bandwidth = "2 TB/s"
power = "400 W"
source = "a test"

[device.peak]
bf16 = "300 TFLOP/s"
fp32 = "20 TFLOP/s"

[device.efficiency]
gemm = 0.7
attention_forward = 0.6
attention_backward = 0.5
memory = 0.8
launch = "5 us"
source = "a test"

[[level]]
name = "inside"
devices = 4
bandwidth = "300 GB/s"
latency = "2 us"
efficiency = 0.75
source = "a test"

[[level]]
name = "outside"
devices = 64
bandwidth = "200 Gb/s"
latency = "10 us"
oversubscription = 2.0
source = "a test"

[reliability]
failures_per_node_day = 0.005

[economics]
price_per_device_hour = 1.5
currency = "USD"
date = "2026-01"
source = "a test"

[power]
server_per_device = 1.8
pue = 1.2
carbon_g_per_kwh = 400

[storage]
bandwidth = "100 GB/s"
)";

Cluster read_valid() {
  return read_cluster_text(valid, "two-level.toml");
}

// The valid text with one part of it replaced.
std::string with(const std::string& part, const std::string& other) {
  std::string text = valid;
  const std::size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return text.replace(at, part.size(), other);
}

// The sentence that a text is refused with.
std::string refusal(const std::string& text) {
  try {
    (void)read_cluster_text(text, "a.toml");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ReadCluster, NamesTheCluster) {
  EXPECT_EQ(read_valid().name, "two-level");
}

TEST(ReadCluster, MemoryIsInBinaryGigabytesWhereItSaysSo) {
  EXPECT_DOUBLE_EQ(read_valid().device.memory.in(unit::gibibyte), 80.0);
}

TEST(ReadCluster, PeakIsKeptPerDataType) {
  const Cluster cluster = read_valid();
  EXPECT_DOUBLE_EQ(cluster.device.peak.at(DataType::bf16).in(unit::teraflop / unit::second), 300.0);
  EXPECT_EQ(cluster.device.peak.size(), 2U);
}

TEST(ReadCluster, NetworkRateInBitsBecomesBytes) {
  EXPECT_DOUBLE_EQ(read_valid().levels[1].bandwidth.in(unit::gigabyte / unit::second), 25.0);
}

TEST(ReadCluster, LevelsKeepTheirOrder) {
  const Cluster cluster = read_valid();
  ASSERT_EQ(cluster.levels.size(), 2U);
  EXPECT_EQ(cluster.levels[0].name, "inside");
  EXPECT_EQ(cluster.levels[1].name, "outside");
}

TEST(ReadCluster, LevelWithoutEfficiencyReachesItsBandwidth) {
  EXPECT_DOUBLE_EQ(read_valid().levels[1].efficiency, 1.0);
}

TEST(ReadCluster, OversubscriptionIsRead) {
  EXPECT_DOUBLE_EQ(read_valid().levels[1].oversubscription, 2.0);
}

TEST(ReadCluster, ClassEfficiencyIsRead) {
  const Cluster cluster = read_valid();
  ASSERT_TRUE(cluster.device.efficiency);
  EXPECT_DOUBLE_EQ(cluster.device.efficiency->attention_backward_fraction, 0.5);
  EXPECT_DOUBLE_EQ(cluster.device.efficiency->launch.in(unit::microsecond), 5.0);
}

TEST(ReadCluster, MoneyPowerFailuresAndStorageAreRead) {
  const Cluster cluster = read_valid();
  EXPECT_DOUBLE_EQ(cluster.economics.price_per_device_hour->in(unit::dollar), 1.5);
  EXPECT_DOUBLE_EQ(*cluster.power.carbon_g_per_kwh, 400.0);
  EXPECT_DOUBLE_EQ(*cluster.reliability.failures_per_node_day, 0.005);
  EXPECT_DOUBLE_EQ(cluster.storage_bandwidth->in(unit::gigabyte / unit::second), 100.0);
}

constexpr const char* owned =
    "purchase_per_device = 40000\nlifetime = \"1461 d\"\nelectricity_per_kwh = 0.08\n"
    "staff_share = 0.3\n";

TEST(ReadCluster, WhatOwningCostsIsRead) {
  const Cluster cluster = read_cluster_text(with("price_per_device_hour = 1.5\n", owned), "a.toml");
  EXPECT_FALSE(cluster.economics.price_per_device_hour);
  ASSERT_TRUE(cluster.economics.purchase);
  EXPECT_EQ(cluster.economics.purchase->per_device, 40'000.0 * unit::dollar);
  EXPECT_DOUBLE_EQ(cluster.economics.purchase->lifetime / unit::year, 4.0);
  EXPECT_EQ(cluster.economics.purchase->per_kilowatt_hour, 0.08 * unit::dollar);
  EXPECT_EQ(cluster.economics.purchase->staff_share, 0.3);
}

TEST(ReadCluster, WhatIsAbsentStaysAbsent) {
  std::string text = valid;
  text = text.substr(0, text.find("[reliability]"));
  const Cluster cluster = read_cluster_text(text, "a.toml");
  EXPECT_FALSE(cluster.reliability.failures_per_node_day);
  EXPECT_FALSE(cluster.economics.price_per_device_hour);
  EXPECT_FALSE(cluster.power.pue);
  EXPECT_FALSE(cluster.storage_bandwidth);
  EXPECT_FALSE(cluster.measured);
  EXPECT_FALSE(cluster.device.cores);
}

TEST(ReadCluster, KindRailsAndReductionAreRead) {
  const Cluster cluster = read_cluster_text(
      with("devices = 4\n",
           "devices = 4\nkind = \"torus\"\naxes = [2, 2]\nwraps = false\nrails = 4\n"
           "in_network_reduction = true\n"),
      "a.toml");
  const LinkLevel& level = cluster.levels[0];
  EXPECT_EQ(level.kind, LinkKind::torus);
  EXPECT_EQ(level.axes, (std::vector<std::int64_t>{2, 2}));
  EXPECT_FALSE(level.wraps);
  EXPECT_EQ(level.rails, 4);
  EXPECT_TRUE(level.in_network_reduction);
  EXPECT_EQ(cluster.levels[1].kind, LinkKind::switched);
  EXPECT_EQ(cluster.levels[1].rails, 1);
  EXPECT_FALSE(cluster.levels[1].in_network_reduction);
}

TEST(ReadClusterError, UnknownKindOffersTheNearest) {
  EXPECT_EQ(refusal(with("devices = 4\n", "devices = 4\nkind = \"tours\"\n")),
            "a.toml:28:8: 'kind' in [[level]] is 'tours': did you mean 'torus'? Expected switch, "
            "torus, mesh or dragonfly");
}

TEST(ReadClusterError, AxesMustHoldTheLevel) {
  EXPECT_THAT(refusal(with("devices = 4\n", "devices = 4\nkind = \"torus\"\naxes = [2, 3]\n")),
              StartsWith("a.toml:29:8: the axes of level 'inside' hold 6: expected 4"));
  EXPECT_THAT(refusal(with("\"outside\"\ndevices = 64\n",
                           "\"outside\"\ndevices = 64\nkind = \"torus\"\naxes = [8, 8]\n")),
              HasSubstr("hold 64: expected 16, the devices that it joins over those of the level"));
  EXPECT_THAT(refusal(with("devices = 4\n", "devices = 4\nkind = \"torus\"\n")),
              HasSubstr("expected 4"));
  EXPECT_THAT(refusal(with("devices = 4\n", "devices = 4\naxes = [2, 2]\n")),
              HasSubstr("only a level of kind \"torus\" has axes"));
  EXPECT_THAT(refusal(with("devices = 4\n", "devices = 4\nkind = \"torus\"\naxes = [2, 0]\n")),
              HasSubstr("must be a list of whole numbers of at least 1, like [4, 4]"));
}

TEST(ReadClusterError, OnlyDevicesFormAMesh) {
  EXPECT_THAT(
      refusal(with("\"outside\"\ndevices = 64\n", "\"outside\"\ndevices = 64\nkind = \"mesh\"\n")),
      HasSubstr("only the first level can be a \"mesh\""));
}

TEST(ReadClusterError, FlagInQuotes) {
  EXPECT_THAT(refusal(with("devices = 4\n", "devices = 4\nin_network_reduction = \"yes\"\n")),
              HasSubstr("must be true or false without quotes"));
}

TEST(ReadClusterError, UnknownKeyNamesLineAndNearest) {
  EXPECT_EQ(refusal(with("latency = \"2 us\"", "latencey = \"2 us\"")),
            "a.toml:29:1: unknown key 'latencey' in [[level]]: did you mean 'latency'?");
}

TEST(ReadClusterError, UnknownTableNamesTheNearest) {
  EXPECT_THAT(refusal(with("[storage]", "[storrage]")), HasSubstr("did you mean 'storage'?"));
}

TEST(ReadClusterError, UnknownDataTypeNamesTheNearest) {
  EXPECT_THAT(refusal(with("bf16 =", "bf17 =")), HasSubstr("did you mean 'bf16'?"));
}

TEST(ReadClusterError, NumberWithoutUnitShowsOne) {
  EXPECT_EQ(refusal(with("bandwidth = \"300 GB/s\"", "bandwidth = 300")),
            "a.toml:28:13: 'bandwidth' in [[level]] has no unit: expected one like \"300 GB/s\"");
}

TEST(ReadClusterError, WrongUnitShowsARightOne) {
  EXPECT_EQ(refusal(with("memory = \"80 GiB\"", "memory = \"80 GB/s\"")),
            "a.toml:8:10: 'memory' in [device] is \"80 GB/s\": expected one like \"80 GiB\"");
}

TEST(ReadClusterError, ZeroBandwidthIsRefused) {
  EXPECT_THAT(refusal(with("\"300 GB/s\"", "\"0 GB/s\"")), StartsWith("a.toml:28:13: "));
}

TEST(ReadClusterError, MissingKeyIsNamedAtItsTable) {
  EXPECT_EQ(refusal(with("memory = \"80 GiB\"\n", "")),
            "a.toml:6:1: [device] has no key 'memory', which is required");
}

TEST(ReadClusterError, MissingDeviceIsNamed) {
  EXPECT_THAT(refusal("name = \"x\"\ndevices_per_node = 1\nmax_devices = 1\nsource = \"t\"\n"),
              HasSubstr("no table [device]"));
}

TEST(ReadClusterError, TextInPlaceOfACount) {
  EXPECT_EQ(refusal(with("devices_per_node = 4", "devices_per_node = \"four\"")),
            "a.toml:2:20: 'devices_per_node' in the file must be a whole number of at least 1");
}

TEST(ReadClusterError, NegativeCount) {
  EXPECT_THAT(refusal(with("max_devices = 64", "max_devices = -64")), StartsWith("a.toml:3:15: "));
}

TEST(ReadClusterError, FractionAboveOne) {
  EXPECT_THAT(refusal(with("gemm = 0.7", "gemm = 70")), StartsWith("a.toml:18:8: 'gemm'"));
}

TEST(ReadClusterError, FractionOfZero) {
  EXPECT_THAT(refusal(with("gemm = 0.7", "gemm = 0.0")), HasSubstr("above 0"));
}

TEST(ReadClusterError, NotANumberIsRefused) {
  EXPECT_THAT(refusal(with("gemm = 0.7", "gemm = nan")), StartsWith("a.toml:18:8: "));
}

TEST(ReadClusterError, PueBelowOne) {
  EXPECT_THAT(refusal(with("pue = 1.2", "pue = 0.2")), HasSubstr("'pue' in [power]"));
}

TEST(ReadClusterError, FirstLevelIsNotTheNode) {
  EXPECT_THAT(refusal(with("devices = 4\n", "devices = 8\n")), HasSubstr("devices_per_node, 4"));
}

TEST(ReadClusterError, TwoLevelsOfOneName) {
  EXPECT_THAT(refusal(with("name = \"outside\"", "name = \"inside\"")),
              HasSubstr("a level before this one is called 'inside' too"));
}

TEST(ReadClusterError, LevelThatDoesNotNest) {
  EXPECT_THAT(refusal(with("\ndevices = 64\n", "\ndevices = 63\n")),
              HasSubstr("expected a multiple of the 4 of 'inside'"));
}

TEST(ReadClusterError, LastLevelMustJoinAllDevices) {
  EXPECT_THAT(refusal(with("max_devices = 64", "max_devices = 128")),
              HasSubstr("max_devices is 128, but the last level, 'outside', joins 64"));
}

TEST(ReadClusterError, PriceWithoutDate) {
  EXPECT_THAT(refusal(with("date = \"2026-01\"\n", "")), HasSubstr("no key 'date'"));
}

TEST(ReadClusterError, DevicesAreRentedOrOwned) {
  const std::string price = "price_per_device_hour = 1.5\n";
  EXPECT_THAT(refusal(with(price, price + owned)), HasSubstr("not both"));
  EXPECT_THAT(refusal(with(price, "purchase_per_device = 40000\n")), HasSubstr("'lifetime'"));
  EXPECT_THAT(refusal(with(price, price + "staff_share = 0.3\n")),
              HasSubstr("expected purchase_per_device"));
}

TEST(ReadClusterError, UnknownCurrency) {
  EXPECT_THAT(refusal(with("\"USD\"", "\"EUR\"")), HasSubstr("expected \"USD\""));
}

TEST(ReadClusterError, BrokenTomlHasItsPlace) {
  EXPECT_THAT(refusal("name = \"x\"\ndevices = = 3\n"), StartsWith("a.toml:2:"));
}

TEST(ReadClusterError, LevelThatIsNotAListOfTables) {
  EXPECT_THAT(
      refusal("name = \"x\"\ndevices_per_node = 1\nmax_devices = 1\nsource = \"t\"\nlevel = 3\n"
              "[device]\nname = \"x\"\nmemory = \"1 GB\"\nmemory_bandwidth = \"1 GB/s\"\n"
              "source = \"t\"\n[device.peak]\nfp32 = \"1 TFLOP/s\"\n"),
      HasSubstr("[[level]]"));
}

TEST(ReadClusterError, EmptyText) {
  EXPECT_THAT(refusal(""), HasSubstr("no key 'name'"));
}

TEST(ReadClusterFile, UnknownNameOffersTheNearest) {
  try {
    (void)read_cluster("dgx-h10");
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("did you mean 'dgx-h100'?"));
  }
}

TEST(ReadClusterFile, MissingFileIsNamed) {
  EXPECT_THROW((void)read_cluster("no-such-file.toml"), InputError);
}

TEST(ReadClusterFile, MeasuredIsRelativeToTheFile) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "forerun_read_cluster_test";
  std::filesystem::create_directories(folder);
  const std::filesystem::path file = folder / "mine.toml";
  std::ofstream(file) << "# mine\nmeasured = \"profile.json\"\n" << valid;
  try {
    (void)read_cluster(file.string());
    ADD_FAILURE() << "read without its profile";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("mine.toml:2:12: 'measured' names 'profile.json', which is no file"));
  }
  std::ofstream(folder / "profile.json") << "{}";
  const Cluster cluster = read_cluster(file.string());
  std::filesystem::remove_all(folder);
  EXPECT_EQ(*cluster.measured, (folder / "profile.json").string());
}

std::string with_host(const std::string& line = "", const std::string& other = "") {
  std::string host = R"([host]
link = "PCIe 5.0 x16"
link_peak = "63 GB/s"
link_rate = "50 GB/s"
sharing = 2
memory = "2 TB"
memory_bandwidth = "600 GB/s"
memory_efficiency = 0.8
error = 0.1
source = "a test"

)";
  if (!line.empty()) {
    const std::size_t at = host.find(line);
    EXPECT_NE(at, std::string::npos) << line;
    host.replace(at, line.size(), other);
  }
  return with("[[level]]\nname = \"inside\"", host + "[[level]]\nname = \"inside\"");
}

TEST(ReadCluster, HostIsOptionalAndSharedByTheDevicesOfANode) {
  EXPECT_FALSE(read_valid().host);
  const Cluster cluster = read_cluster_text(with_host(), "a.toml");
  ASSERT_TRUE(cluster.host);
  const auto gigabytes = [](BytesPerSecond rate) { return rate.in(unit::gigabyte / unit::second); };
  EXPECT_DOUBLE_EQ(cluster.host->size.in(unit::terabyte), 2.0);
  EXPECT_DOUBLE_EQ(gigabytes(cluster.host->link_peak), 63.0);
  const HostLink link = host_link_of(*cluster.host, cluster.devices_per_node);
  EXPECT_DOUBLE_EQ(gigabytes(link.rate), 25.0);
  EXPECT_DOUBLE_EQ(gigabytes(link.stream), 120.0);
  EXPECT_DOUBLE_EQ(link.relative_error, 0.1);
}

TEST(ReadCluster, ANodeMayBeSeveralHosts) {
  EXPECT_EQ(read_valid().devices_per_host, 0);
  const auto with_per_host = [](const std::string& devices) {
    return with("devices_per_node = 4", "devices_per_node = 4\ndevices_per_host = " + devices);
  };
  EXPECT_EQ(read_cluster_text(with_per_host("2"), "a.toml").devices_per_host, 2);
  EXPECT_THAT(refusal(with_per_host("3")), HasSubstr("divisor of devices_per_node"));
  EXPECT_THAT(refusal(with_per_host("0")), HasSubstr("devices_per_host"));
}

TEST(ReadCluster, RefusesAHostThatCannotBe) {
  EXPECT_THAT(refusal(with_host("link_rate = \"50", "link_rate = \"70")),
              HasSubstr("link_rate is above link_peak"));
  EXPECT_THAT(refusal(with_host("sharing = 2", "sharing = 3")), HasSubstr("divisor"));
  EXPECT_THAT(refusal(with_host("link_peak", "link_peek")), HasSubstr("link_peak"));
  EXPECT_THAT(refusal(with_host("link_peak = \"63 GB/s\"\n", "")), HasSubstr("link_peak"));
  EXPECT_THAT(refusal(with_host("memory = \"2 TB\"", "memory = 2")), HasSubstr("no unit"));
  EXPECT_THAT(refusal(with_host("sharing = 2", "sharing = 3")), StartsWith("a.toml:"));
}

}  // namespace
}  // namespace forerun
