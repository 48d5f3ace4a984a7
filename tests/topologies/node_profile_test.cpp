// The node profiles that ship, and what is said about a file that makes no profile.
#include "topologies/node_profile.hpp"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

bool has(const NodeProfile& profile, std::string_view op, std::int64_t ranks) {
  return std::ranges::any_of(profile.collectives, [&](const CollectiveCurve& curve) {
    return curve.op == op && curve.ranks == ranks;
  });
}

TEST(NodeProfiles, KnowTheCollectivesOfTraining) {
  for (const std::string& name : catalog_node_profiles()) {
    const NodeProfile profile = read_node_profile(name);
    EXPECT_EQ(profile.name, name);
    for (const char* op : {"all_reduce", "all_gather", "reduce_scatter", "all_to_all"}) {
      EXPECT_TRUE(has(profile, op, 2) || has(profile, op, 4) || has(profile, op, 8)) << name << op;
    }
    for (const CollectiveCurve& curve : profile.collectives) {
      EXPECT_FALSE(curve.source.empty()) << name;
      EXPECT_GT(curve.error, 0.0) << name;
      EXPECT_LT(curve.error, 0.25) << name << curve.op << curve.ranks;
    }
  }
}

TEST(NodeProfiles, HoldEachCollectiveOnce) {
  for (const std::string& name : catalog_node_profiles()) {
    const NodeProfile profile = read_node_profile(name);
    for (const CollectiveCurve& curve : profile.collectives) {
      EXPECT_EQ(std::ranges::count_if(profile.collectives,
                                      [&](const CollectiveCurve& other) {
                                        return other.op == curve.op && other.ranks == curve.ranks;
                                      }),
                1)
          << name << curve.op << curve.ranks;
    }
  }
}

// 192 of 200 GB/s on four DGX A100, 48 of 50 GB/s over 400 Gb/s RDMA (NVIDIA GTC 2025, 2024).
TEST(NodeProfiles, KnowTheirFabrics) {
  const NodeProfile a100 = read_node_profile("dgx-a100");
  const auto hdr = std::ranges::find(a100.fabrics, "infiniband-hdr", &FabricReach::name);
  ASSERT_NE(hdr, a100.fabrics.end());
  EXPECT_NEAR((8.0 * hdr->efficiency * hdr->bandwidth).in(unit::gigabyte / unit::second), 192, 1);
  const NodeProfile h100 = read_node_profile("dgx-h100");
  const auto ndr = std::ranges::find(h100.fabrics, "infiniband-ndr", &FabricReach::name);
  ASSERT_NE(ndr, h100.fabrics.end());
  EXPECT_NEAR((ndr->efficiency * ndr->bandwidth).in(unit::gigabyte / unit::second), 48, 0.5);
}

TEST(NodeProfileText, IsRefusedWithItsPlace) {
  try {
    (void)read_node_profile_text(
        "name = \"made\"\ndate = \"2026-01-01\"\n[[collective]]\nop = \"all_reduce\"\nranks = 0\n",
        "made.toml");
    ADD_FAILURE() << "read";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("made.toml:5"));
  }
  EXPECT_THROW((void)read_node_profile("dgx-z"), InputError);
}

}  // namespace
}  // namespace forerun
