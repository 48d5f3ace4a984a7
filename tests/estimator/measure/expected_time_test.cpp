// What is expected of a collective before it runs.
#include "estimator/measure/expected_time.hpp"

#include <gtest/gtest.h>

#include "tests/estimator/profile/made_profile.hpp"

namespace forerun {
namespace {

// The largest that was measured is 16 MiB: four times as many bytes take four times as long; 32 KiB
// eight times what 4 KiB take.
TEST(ExpectedTime, IsInProportionToTheNextSmallerSize) {
  const Profile profile = made_profile();
  const Seconds largest = profile.collectives.back().timing.median;
  EXPECT_DOUBLE_EQ(expected_time(all_reduce_key(64 << 20), profile) / largest, 4.0);
  const Seconds smallest = profile.collectives.front().timing.median;
  EXPECT_DOUBLE_EQ(expected_time(all_reduce_key(32 << 10), profile) / smallest, 8.0);
}

// 2 GB/s a device: an all-reduce of 2 GB over two ranks sends 2 GB, in a second.
TEST(ExpectedTime, IsWhatTheLinksAllowWhereNothingWasMeasured) {
  Profile profile = made_profile();
  CollectiveKey key = all_reduce_key(2'000'000'000);
  key.type = DataType::bf16;
  EXPECT_EQ(expected_time(key, profile), Seconds());
  MeasuredLevel level;
  level.name = "node";
  level.devices = 2;
  level.bandwidth = 2.0 * unit::gigabyte / unit::second;
  profile.topology.emplace().levels = {level};
  EXPECT_NEAR(expected_time(key, profile).in(unit::second), 1.0, 1e-9);
}

}  // namespace
}  // namespace forerun
