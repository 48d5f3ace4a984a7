// Measured small, planned large: which levels come from the profile and which from the file.
#include "estimator/estimate/hardware_source.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "estimator/profile/profile_json.hpp"
#include "tests/estimator/profile/made_profile.hpp"
#include "tests/topologies/gigabyte_rate.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;

// Nodes of two devices; inside 50 GB/s, 12.5 GB/s up to 64 devices, 5 GB/s up to 1,024.
constexpr const char* cluster_text = R"(name = "planned"
devices_per_node = 2
max_devices = 1024
measured = "small.json"
source = "a test"
[device]
name = "a CPU"
memory = "16 GiB"
memory_bandwidth = "100 GB/s"
cores = 4
source = "a test"
[device.peak]
fp32 = "1 TFLOP/s"
[[level]]
name = "inside"
devices = 2
bandwidth = "50 GB/s"
latency = "1 us"
source = "a test"
[[level]]
name = "leaf"
devices = 64
bandwidth = "12.5 GB/s"
latency = "5 us"
source = "a test"
[[level]]
name = "core"
devices = 1024
bandwidth = "5 GB/s"
latency = "9 us"
source = "a test"
)";

class MeasuredSmall : public testing::Test {
 protected:
  MeasuredSmall()
      : folder_(fs::temp_directory_path() / ("forerun_small_" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    std::ofstream(folder_ / "planned.toml") << cluster_text;
  }

  ~MeasuredSmall() override { fs::remove_all(folder_); }

  MeasuredSmall(const MeasuredSmall&) = delete;
  MeasuredSmall& operator=(const MeasuredSmall&) = delete;
  MeasuredSmall(MeasuredSmall&&) = delete;
  MeasuredSmall& operator=(MeasuredSmall&&) = delete;

  [[nodiscard]] HardwareSource with(const Profile& profile) const {
    std::ofstream(folder_ / "small.json") << to_json(profile).dump();
    return read_hardware((folder_ / "planned.toml").string());
  }

  [[nodiscard]] const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

// Passes without waits keep to the slowest rank; a step's kernels are those of the mean of ranks.
TEST_F(MeasuredSmall, PricesTheSlowestRankWhereNobodyAddsWaits) {
  Profile profile = made_profile();
  for (KernelRecord& record : profile.kernels) {
    record.timing.rank_medians = {record.timing.median, 0.5 * record.timing.median};
  }
  profile.noise = {{1, 1.0 * unit::millisecond, 0.0}, {2, 1.0 * unit::millisecond, 0.1}};
  const HardwareSource hardware = with(profile);
  const KernelKey key = profile.kernels[0].key;
  const PriceList slowest = prices_of_slowest(hardware, Strictness::any_tier);
  const PriceList mean = prices_of(hardware, Strictness::any_tier);
  EXPECT_NEAR(mean.kernel(key).time / slowest.kernel(key).time, 0.75, 1e-12);
  EXPECT_FALSE(slowest.wait);
  EXPECT_NEAR(mean.wait(1.0 * unit::millisecond, 2), 0.1, 1e-12);
}

// The made profile has one level of two ranks at 10 GB/s.
TEST_F(MeasuredSmall, TakesInnerLevelsFromTheProfileAndOuterOnesFromTheFile) {
  const HardwareSource hardware = with(made_profile());
  ASSERT_TRUE(hardware.profile);
  EXPECT_EQ(hardware.profile->kernels.size(), 3U);
  const auto& levels = hardware.cluster.levels;
  ASSERT_EQ(levels.size(), 3U);
  EXPECT_EQ(levels[0].name, "node");
  EXPECT_NEAR(levels[0].bandwidth.in(gigabyte_rate), 10.0, 1e-6);
  EXPECT_EQ(levels[1].name, "leaf");
  EXPECT_EQ(levels[2].name, "core");
  EXPECT_EQ(hardware.profile->levels.size(), 3U);
  EXPECT_EQ(hardware.cluster.max_devices, 1024);
  EXPECT_THAT(
      hardware.notes,
      testing::ElementsAre(testing::AllOf(testing::HasSubstr("'node' of 2)"),
                                          testing::HasSubstr("'leaf' of 64, 'core' of 1024"))));
  EXPECT_FALSE(hardware.is_extended);
}

// A GPU's kernels in the file of a CPU cluster.
TEST_F(MeasuredSmall, RefusesTheProfileOfAnotherKindOfDevice) {
  Profile profile = made_profile();
  ASSERT_FALSE(profile.kernels.empty());
  profile.device.kind = "cuda";
  profile.device.name = "NVIDIA H200";
  EXPECT_THAT(
      [&] { (void)with(profile); },
      testing::ThrowsMessage<InputError>(testing::AllOf(testing::HasSubstr("small.json"),
                                                        testing::HasSubstr("GPU 'NVIDIA H200'"),
                                                        testing::HasSubstr("CPU 'a CPU'"))));
}

// A stranger's cluster file opens nothing of its reader's.
TEST_F(MeasuredSmall, ReadsNoProfileOutsideTheFolder) {
  const auto complaint_about = [&](const std::string& place) {
    std::string text = cluster_text;
    text.replace(text.find("small.json"), std::string_view("small.json").size(), place);
    std::ofstream(folder() / "planned.toml") << text;
    try {
      static_cast<void>(with(made_profile()));
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("read");
  };
  const std::string outside = "is outside the folder of this file";
  EXPECT_THAT(complaint_about("/etc/passwd"), testing::HasSubstr(outside));
  EXPECT_THAT(complaint_about("../small.json"), testing::HasSubstr(outside));
  EXPECT_THAT(complaint_about("inner/../../small.json"), testing::HasSubstr(outside));
  fs::create_symlink("/etc/passwd", folder() / "link.json");
  EXPECT_THAT(complaint_about("link.json"), testing::HasSubstr(outside));
  EXPECT_EQ(complaint_about("./small.json"), "read");
}

// No collective ran between the two hosts, but their pairs were measured: 1.1 GB/s.
TEST_F(MeasuredSmall, TakesLevelsThatOnlyPairsShow) {
  Profile profile = made_profile();
  profile.ranks = 4;
  profile.hosts = {"a", "a", "b", "b"};
  std::vector<PairDistance> pairs;
  for (std::int64_t a = 0; a < 4; ++a) {
    for (std::int64_t b = a + 1; b < 4; ++b) {
      const bool is_near = a / 2 == b / 2;
      pairs.push_back({a,
                       b,
                       (is_near ? 1.0 : 30.0) * unit::microsecond,
                       (is_near ? 9.0 : 1.1) * gigabyte_rate,
                       0.01,
                       0.01});
    }
  }
  profile.topology = find_levels(pairs, profile.hosts);
  const auto levels = with(profile).cluster.levels;
  ASSERT_EQ(levels.size(), 4U);
  EXPECT_NEAR(levels[0].bandwidth.in(gigabyte_rate), 10.0, 1e-6);  // the collectives' fit
  EXPECT_EQ(levels[1].devices, 4);
  EXPECT_NEAR(levels[1].bandwidth.in(gigabyte_rate), 1.1, 1e-9);
  EXPECT_EQ(levels[2].name, "leaf");
}

// What `import` makes of a log: no kernels, few words about the device, one all-reduce of
// 2 x latency + bytes / rate.
Profile log_of(std::int64_t ranks, std::int64_t ranks_per_node) {
  Profile log;
  log.path = "small.json";
  log.date = "2026-01-01T00:00:00Z";
  log.device.kind = "cuda";
  log.device.name = "a CPU";
  log.ranks = ranks;
  log.ranks_per_node = ranks_per_node;
  for (const std::int64_t bytes : {4096, 1048576, 16777216}) {
    log.collectives.push_back(
        {{Collective::all_reduce, bytes, DataType::fp32, {ranks, ranks_per_node, 1}},
         exactly((1e-5 + static_cast<double>(bytes) / 1e9) * unit::second)});
  }
  fit_levels(log);
  return log;
}

// A product of 2048 x 1024 x 1024 is 4.29 GFLOP: 6.1 ms at 0.70 of the file's 1 TFLOP/s, as the
// file alone says.
TEST_F(MeasuredSmall, LeavesKernelsToTheFileWhereTheProfileHasNone) {
  const HardwareSource hardware = with(log_of(4, 2));
  const PriceList prices = prices_of(hardware, Strictness::any_tier);
  const Price kernel = prices.kernel(gemm_key(2048));
  EXPECT_EQ(kernel.tier, Tier::datasheet);
  EXPECT_NEAR(kernel.time.in(unit::second), 4.29e9 / 0.70e12, 2e-4);
  const CollectiveKey key{Collective::all_reduce, 1048576, DataType::fp32, {4, 2, 1}};
  EXPECT_EQ(prices.collective(key).tier, Tier::measured);
  EXPECT_THAT(
      hardware.notes,
      testing::Contains(testing::AllOf(testing::HasSubstr("links measured in"),
                                       testing::HasSubstr("kernels and links of planned"))));
  EXPECT_THROW((void)prices_of(hardware, Strictness::interpolated_or_better).kernel(gemm_key(2048)),
               InputError);
}

std::vector<std::string> names(const std::vector<LinkLevel>& levels) {
  std::vector<std::string> names;
  for (const LinkLevel& level : levels) {
    names.push_back(level.name);
  }
  return names;
}

// Two nodes of one rank: their network joins 2 ranks, as the file's nodes do, but is no inside. Nor
// is the node of four ranks one of the file's two devices.
TEST_F(MeasuredSmall, TakesNoNetworkForTheInsideOfANode) {
  const HardwareSource single = with(log_of(2, 1));
  EXPECT_THAT(names(single.cluster.levels), testing::ElementsAre("inside", "leaf", "core"));
  EXPECT_THAT(single.notes, testing::Contains(testing::HasSubstr("not used, for they join")));
  EXPECT_THAT(names(with(log_of(4, 4)).cluster.levels),
              testing::ElementsAre("inside", "leaf", "core"));
  // Four nodes of one rank join more than a node: between nodes in both.
  const HardwareSource four = with(log_of(4, 1));
  EXPECT_THAT(names(four.cluster.levels),
              testing::ElementsAre("inside", "network", "leaf", "core"));
  EXPECT_THAT(four.notes, testing::Contains(testing::HasSubstr("1 ranks a node, but planned")));
  EXPECT_EQ(four.profile->level_errors.size(), 4U);
}

TEST_F(MeasuredSmall, SaysWhenTheNodesDiffer) {
  Profile profile = made_profile();
  profile.ranks = 8;
  profile.ranks_per_node = 4;
  profile.hosts = {"a", "a", "a", "a", "b", "b", "b", "b"};
  EXPECT_THAT(with(profile).notes,
              testing::Contains(testing::HasSubstr("4 ranks a node, but planned has 2")));
}

}  // namespace
}  // namespace forerun
