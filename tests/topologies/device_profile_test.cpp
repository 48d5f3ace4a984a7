// The device profiles that ship, and what is said about a file that makes no profile.
#include "topologies/device_profile.hpp"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topologies/read_cluster.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

TEST(DeviceProfiles, AreThoseOfTheIssue) {
  EXPECT_THAT(catalog_device_profiles(),
              testing::UnorderedElementsAre(
                  "a100-sxm", "b200-sxm", "b300-sxm", "gb200", "gb300", "h100-sxm", "h200-sxm"));
}

TEST(DeviceProfiles, SayWhereEveryNumberIsFromAndHowFarItIsOff) {
  const auto is_stated = [](const auto& section) {
    return !section.source.empty() && section.error > 0.0;
  };
  for (const std::string& name : catalog_device_profiles()) {
    const DeviceProfile profile = read_device_profile(name);
    EXPECT_EQ(profile.name, name);
    EXPECT_EQ(profile.date.size(), 10U) << name;
    EXPECT_FALSE(profile.gemm.empty()) << name;
    EXPECT_TRUE(profile.layouts && profile.memory) << name;
    EXPECT_TRUE(std::ranges::all_of(profile.gemm, is_stated)) << name;
    EXPECT_TRUE(std::ranges::all_of(profile.attention, is_stated)) << name;
    EXPECT_TRUE(std::ranges::all_of(profile.rows, is_stated)) << name;
    for (const bool is_forward : {true, false}) {
      EXPECT_TRUE(std::ranges::any_of(profile.attention, [&](const AttentionRate& rate) {
        return rate.is_forward == is_forward;
      })) << name;
    }
  }
}

TEST(DeviceProfiles, OfClustersInTheCatalogAreThere) {
  for (const char* name : {"dgx-a100",
                           "dgx-a100-40gb",
                           "dgx-h100",
                           "dgx-h200",
                           "dgx-b200",
                           "dgx-b300",
                           "gb200-nvl72",
                           "gb300-nvl72"}) {
    const Cluster cluster = read_cluster(name);
    EXPECT_TRUE(cluster.device.profile.has_value()) << name;
    EXPECT_TRUE(cluster.node_profile.has_value()) << name;
  }
}

// H200 has no products of its own: H100's, less sure by what taking over costs.
TEST(DeviceProfiles, TakeOverWhatTheyLack) {
  const DeviceProfile h100 = read_device_profile("h100-sxm");
  const DeviceProfile h200 = read_device_profile("h200-sxm");
  ASSERT_EQ(h200.gemm.size(), h100.gemm.size());
  EXPECT_EQ(h200.gemm[0].utilisation, h100.gemm[0].utilisation);
  EXPECT_GT(h200.gemm[0].error, h100.gemm[0].error);
  // B300's own products, GB300's attention.
  const DeviceProfile b300 = read_device_profile("b300-sxm");
  const DeviceProfile gb300 = read_device_profile("gb300");
  ASSERT_EQ(b300.attention.size(), gb300.attention.size());
  EXPECT_EQ(b300.attention[0].flop_fraction, gb300.attention[0].flop_fraction);
  EXPECT_GT(b300.attention[0].error, gb300.attention[0].error);
}

TEST(DeviceProfiles, SuggestTheNearestName) {
  try {
    (void)read_device_profile("h100-smx");
    ADD_FAILURE() << "read";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("did you mean 'h100-sxm'"));
  }
}

std::string made_gemm(const std::string& utilisation, const std::string& more = "") {
  return "name = \"made\"\ndate = \"2026-01-01\"\n[[gemm]]\ntype = \"bf16\"\nlaunch = \"1 us\"\n"
         "flop_fraction = 0.5\nbyte_fraction = 0.5\nerror = 0.1\nsource = \"test\"\n"
         "m = [1, 2]\nn = [1, 2]\nk = [1, 2]\nutilisation = " +
         utilisation + "\n" + more;
}

void expect_refused(const std::string& text, const char* where, const char* what) {
  try {
    (void)read_device_profile_text(text, "made.toml");
    ADD_FAILURE() << "read: " << text;
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(where));
    EXPECT_THAT(error.what(), testing::HasSubstr(what));
  }
}

TEST(DeviceProfileText, ReadsTheCornersRowByRow) {
  const DeviceProfile profile = read_device_profile_text(
      made_gemm("[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8]]"), "made.toml");
  EXPECT_THAT(profile.gemm.at(0).utilisation,
              testing::ElementsAre(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8));
  EXPECT_NEAR(profile.gemm.at(0).launch.in(unit::microsecond), 1.0, 1e-12);
}

TEST(DeviceProfileText, RefusesWhatMakesNoTable) {
  const std::string whole = "[1, 1, 1, 1, 1, 1, 1, 1]";
  expect_refused(made_gemm("[1, 1, 1]"), "made.toml:13", "one for each m, n and k, 8");
  expect_refused(made_gemm("[1, 1, 1, 1, 1, 1, 1, \"x\"]"), "made.toml:13", "numbers from");
  expect_refused(made_gemm("[1, 1, 1, 1, 1, 1, 1, 0]"), "made.toml:13", "numbers from");
  expect_refused(made_gemm(whole, "[[attention]]\ndirection = \"sideways\"\n"),
                 "made.toml:15",
                 "\"forward\" or \"backward\"");
  expect_refused(made_gemm(whole, "[memory]\nbite_fraction = 1\n"),
                 "made.toml:15",
                 "did you mean 'byte_fraction'");
  expect_refused(made_gemm(whole, "[["), "made.toml:14", "");
}

}  // namespace
}  // namespace forerun
