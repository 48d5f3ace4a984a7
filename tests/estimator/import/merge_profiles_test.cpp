// Profiles of one cluster joined: what is kept, what is named, what is refused.
#include "estimator/import/merge_profiles.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/estimator/profile/made_profile.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

Profile made_at(const std::string& date) {
  Profile profile = made_profile();
  profile.date = date;
  profile.path = date + ".json";
  return profile;
}

CollectiveRecord& all_reduce_of(Profile& profile, std::int64_t bytes) {
  return *std::ranges::find(profile.collectives, all_reduce_key(bytes), &CollectiveRecord::key);
}

TEST(MergeProfiles, JoinsWhatEachHas) {
  Profile older = made_at("2026-01-01T00:00:00Z");
  Profile newer = made_at("2026-02-01T00:00:00Z");
  older.kernels = {{gemm_key(64), exactly(1e-3 * unit::second)}};
  newer.collectives = {{all_reduce_key(1 << 25), exactly(1e-2 * unit::second)}};
  older.skipped = {text_of(gemm_key(256)), "not measured anywhere"};
  const MergedProfile merged = merge_profiles({newer, older});
  EXPECT_EQ(merged.profile.kernels.size(), 4U);
  EXPECT_EQ(merged.profile.collectives.size(), 5U);
  EXPECT_TRUE(merged.conflicts.empty());
  EXPECT_THAT(merged.profile.skipped, testing::ElementsAre("not measured anywhere"));
  EXPECT_EQ(merged.profile.date, "2026-02-01T00:00:00Z");
}

TEST(MergeProfiles, KeepTheNewestAndNameWhatIsBeyondBothIntervals) {
  Profile older = made_at("2026-01-01T00:00:00Z");
  Profile newer = made_at("2026-02-01T00:00:00Z");
  // Intervals are 1 % to either side: 1.5 % apart they touch, 5 % apart they do not.
  all_reduce_of(older, 4096).timing = exactly(1.0e-5 * unit::second);
  all_reduce_of(newer, 4096).timing = exactly(1.015e-5 * unit::second);
  all_reduce_of(older, 65536).timing = exactly(2.0e-5 * unit::second);
  all_reduce_of(newer, 65536).timing = exactly(2.1e-5 * unit::second);
  MergedProfile merged = merge_profiles({newer, older});
  EXPECT_NEAR(all_reduce_of(merged.profile, 65536).timing.median.in(unit::second), 2.1e-5, 1e-12);
  EXPECT_NEAR(all_reduce_of(merged.profile, 4096).timing.median.in(unit::second), 1.015e-5, 1e-12);
  ASSERT_EQ(merged.conflicts.size(), 1U);
  EXPECT_EQ(merged.conflicts[0].key, text_of(all_reduce_key(65536)));
  EXPECT_NEAR(merged.conflicts[0].older.in(unit::second), 2.0e-5, 1e-12);
  EXPECT_NEAR(merged.conflicts[0].newer.in(unit::second), 2.1e-5, 1e-12);
}

TEST(MergeProfiles, SayWhereVersionsDiffer) {
  Profile older = made_at("2026-01-01T00:00:00Z");
  Profile newer = made_at("2026-02-01T00:00:00Z");
  older.device.software = {{"onednn", "2.6.3"}};
  newer.device.software = {{"onednn", "3.0.0"}};
  EXPECT_THAT(merge_profiles({newer, older}).profile.warnings,
              testing::Contains(testing::AllOf(testing::HasSubstr("onednn 2.6.3"),
                                               testing::HasSubstr("onednn 3.0.0"))));
  older.device.software = newer.device.software;
  EXPECT_THAT(merge_profiles({newer, older}).profile.warnings,
              testing::Not(testing::Contains(testing::HasSubstr("onednn"))));
}

MeasuredTopology pair_at(double gigabytes_per_second) {
  return find_levels({{0,
                       1,
                       1.0 * unit::microsecond,
                       gigabytes_per_second * unit::gigabyte / unit::second,
                       0.01,
                       0.01}},
                     {"n0", "n0"});
}

OverlapPoint beside(std::int64_t bytes, double both_s) {
  OverlapPoint point;
  point.bytes = bytes;
  point.both = both_s * unit::second;
  return point;
}

TEST(MergeProfiles, KeepWhatOnlyOneOfThemKnows) {
  Profile older = made_at("2026-01-01T00:00:00Z");
  Profile newer = made_at("2026-02-01T00:00:00Z");
  older.hosts.clear();
  newer.topology = pair_at(9.0);
  older.overlap = {beside(1, 1.0), beside(2, 1.0)};
  newer.overlap = {beside(2, 3.0), beside(4, 4.0)};
  older.warnings = {"shared cores", "not bound"};
  newer.warnings = {"shared cores", "drift"};
  older.skipped = {text_of(gemm_key(256)) + ": time budget",
                   text_of(gemm_key(7)) + ": time budget"};
  for (const auto& order : {std::vector{older, newer}, std::vector{newer, older}}) {
    const MergedProfile merged = merge_profiles(order);
    const Profile& profile = merged.profile;
    ASSERT_TRUE(profile.topology);
    EXPECT_EQ(profile.topology->pairs.size(), 1U);
    EXPECT_THAT(profile.hosts, testing::ElementsAre("n0", "n0"));
    ASSERT_EQ(profile.overlap.size(), 3U);
    EXPECT_NEAR(profile.overlap[1].both.in(unit::second), 3.0, 1e-12);
    EXPECT_THAT(profile.warnings, testing::ElementsAre("shared cores", "not bound", "drift"));
    EXPECT_THAT(profile.skipped, testing::ElementsAre(text_of(gemm_key(7)) + ": time budget"));
    EXPECT_TRUE(merged.conflicts.empty());
  }
}

// A later profile of one rank says nothing of how far several drift apart.
TEST(MergeProfiles, KeepTheNoiseOfMostRanks) {
  Profile many = made_at("2026-01-01T00:00:00Z");
  many.noise = {{1, 1.0 * unit::millisecond, 0.0}, {2, 1.0 * unit::millisecond, 0.05}};
  Profile one = made_at("2026-01-02T00:00:00Z");
  one.noise = {{1, 1.0 * unit::millisecond, 0.01}};
  EXPECT_EQ(merge_profiles({many, one}).profile.noise, many.noise);
  one.noise = {{1, 1.0 * unit::millisecond, 0.0}, {2, 1.0 * unit::millisecond, 0.07}};
  EXPECT_EQ(merge_profiles({many, one}).profile.noise, one.noise);
}

// 1 % to either side: 9 and 6 GB/s contradict one another, whichever is the faster.
TEST(MergeProfiles, NameLinksThatContradictOneAnother) {
  Profile older = made_at("2026-01-01T00:00:00Z");
  Profile newer = made_at("2026-02-01T00:00:00Z");
  for (const auto& [before, after] : {std::pair(9.0, 6.0), std::pair(6.0, 9.0)}) {
    older.topology = pair_at(before);
    newer.topology = pair_at(after);
    const MergedProfile merged = merge_profiles({newer, older});
    EXPECT_NEAR(merged.profile.topology->levels[0].bandwidth.in(unit::gigabyte / unit::second),
                after,
                1e-9);
    std::vector<std::string> keys;
    for (const MergeConflict& conflict : merged.conflicts) {
      keys.push_back(conflict.key);
      EXPECT_NEAR(conflict.older.in(unit::nanosecond), 1.0 / before, 1e-9);
      EXPECT_NEAR(conflict.newer.in(unit::nanosecond), 1.0 / after, 1e-9);
    }
    EXPECT_THAT(keys,
                testing::UnorderedElementsAre("level 'node' bandwidth", "link 0-1 (n0) bandwidth"));
  }
}

// Three ranks say more than two, however old.
TEST(MergeProfiles, KeepTheTopologyOfTheMostRanks) {
  Profile older = made_at("2026-01-01T00:00:00Z");
  Profile newer = made_at("2026-02-01T00:00:00Z");
  const Seconds latency = 1.0 * unit::microsecond;
  const BytesPerSecond rate = 9.0 * unit::gigabyte / unit::second;
  older.ranks = 3;
  older.hosts = {"n0", "n0", "n0"};
  older.topology = find_levels(
      {{0, 1, latency, rate, 0.01, 0.01}, {0, 2, latency, rate, 0.01, 0.01}}, older.hosts);
  newer.topology = pair_at(9.0);
  const Profile merged = merge_profiles({older, newer}).profile;
  EXPECT_EQ(merged.topology->levels.back().devices, 3);
  EXPECT_EQ(merged.hosts.size(), 3U);
}

TEST(MergeProfiles, RefuseAnotherDevice) {
  const Profile one = made_at("2026-01-01T00:00:00Z");
  Profile other = made_at("2026-02-01T00:00:00Z");
  other.device.name = "another CPU";
  try {
    (void)merge_profiles({one, other});
    ADD_FAILURE() << "merged";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("2026-02-01T00:00:00Z.json"));
    EXPECT_THAT(error.what(), testing::HasSubstr("another CPU"));
  }
  other = made_at("2026-02-01T00:00:00Z");
  other.device.cores = 8;
  EXPECT_THROW((void)merge_profiles({one, other}), InputError);
  other.device.cores = 0;  // not said
  EXPECT_NO_THROW((void)merge_profiles({one, other}));
}

}  // namespace
}  // namespace forerun
