// Pairs that load a link together: what each device gets of it.
#include "topologies/device_share.hpp"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/topologies/gigabyte_rate.hpp"

namespace forerun {
namespace {

PairDistance pair_of(std::int64_t first, std::int64_t second, double gbs) {
  return {first, second, Seconds(), gbs * gigabyte_rate};
}

std::vector<double> gbs_of(const std::vector<BytesPerSecond>& shares) {
  std::vector<double> all;
  for (const BytesPerSecond share : shares) {
    all.push_back(share.in(gigabyte_rate));
  }
  return all;
}

// Two flows of 12 GB each between hosts a and b, which carry 12 GB/s: one took 8 GB/s until it was
// done after 1.5 s, the other 4 and then all, 2 s in all. A device's share is 6. Hosts c and d have
// links of their own, and so has the inside of e.
TEST(DeviceShares, AreTheSlowestOfPairsBetweenTheSameHosts) {
  const std::vector<std::string> hosts{"a", "a", "b", "b", "c", "d", "e", "e"};
  const std::vector<PairDistance> pairs{
      pair_of(0, 2, 8.0), pair_of(1, 3, 6.0), pair_of(4, 5, 3.0), pair_of(6, 7, 20.0)};
  EXPECT_THAT(gbs_of(device_shares(pairs, hosts)),
              testing::UnorderedElementsAre(
                  testing::DoubleEq(6.0), testing::DoubleEq(3.0), testing::DoubleEq(20.0)));
}

// Ranks may lie on the hosts in any order.
TEST(DeviceShares, DoNotDependOnTheDirection) {
  const std::vector<std::string> hosts{"a", "b", "a", "b"};
  EXPECT_THAT(gbs_of(device_shares(std::vector{pair_of(0, 1, 1.0), pair_of(2, 3, 2.0)}, hosts)),
              testing::ElementsAre(testing::DoubleEq(1.0)));
  EXPECT_THAT(gbs_of(device_shares(std::vector{pair_of(0, 3, 1.0), pair_of(1, 2, 2.0)}, hosts)),
              testing::ElementsAre(testing::DoubleEq(1.0)));
  EXPECT_THROW((void)device_shares(std::vector{pair_of(0, 4, 1.0)}, hosts), std::out_of_range);
}

}  // namespace
}  // namespace forerun
