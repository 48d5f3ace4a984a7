// Where collectives are measured: powers of two, and more where the curve bends.
#include "estimator/measure/collective_sizes.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

MeasuredSize at(std::int64_t bytes, double microseconds, double noise = 0.0) {
  return {bytes, microseconds * unit::microsecond, noise * microseconds * unit::microsecond};
}

TEST(PowersOfTwo, GoFromTheSmallestToTheLargest) {
  EXPECT_THAT(powers_of_two(256, 2048, 4), ElementsAre(256, 512, 1024, 2048));
  EXPECT_THAT(powers_of_two(300, 1500, 4), ElementsAre(512, 1024));
  EXPECT_THAT(powers_of_two(4096, 2048, 4), IsEmpty());
}

// Three ranks of four-byte elements: multiples of 12; what falls together is one size.
TEST(PowersOfTwo, AreWholeForEveryRank) {
  EXPECT_THAT(powers_of_two(4, 64, 12), ElementsAre(12, 24, 60));
}

// t = N: a straight line in log-log.
TEST(SizesToRefine, LeaveAStraightLineAlone) {
  const std::vector<MeasuredSize> points{at(1024, 1), at(2048, 2), at(4096, 4), at(8192, 8)};
  EXPECT_THAT(sizes_to_refine(points, 0.06, 4), IsEmpty());
}

// A cliff between 2048 and 4096: the line through 1024 and 4096 gives sqrt(1 * 16) = 4 at 2048, not
// 1; that through 2048 and 8192 gives sqrt(1 * 16) = 4 at 4096, not 16. All three gaps are halved:
// 1024 sqrt(2) = 1448.2, and so on, in multiples of 4.
TEST(SizesToRefine, HalveTheGapsBesideACliff) {
  const std::vector<MeasuredSize> points{at(1024, 1), at(2048, 1), at(4096, 16), at(8192, 16)};
  EXPECT_THAT(sizes_to_refine(points, 0.06, 4), ElementsAre(1448, 2896, 5792));
}

// The same bend within what the samples leave open is no bend.
TEST(SizesToRefine, DoNotChaseNoise) {
  const std::vector<MeasuredSize> points{at(1024, 1, 0.1), at(2048, 2.3, 0.1), at(4096, 4, 0.1)};
  EXPECT_THAT(sizes_to_refine(points, 0.06, 4), IsEmpty());
  const std::vector<MeasuredSize> sure{at(1024, 1), at(2048, 2.3), at(4096, 4)};
  EXPECT_THAT(sizes_to_refine(sure, 0.06, 4), ElementsAre(1448, 2896));
}

TEST(SizesToRefine, StopAtAQuarterOfAnOctave) {
  const std::vector<MeasuredSize> points{at(1000, 1), at(1180, 1), at(1390, 16)};
  EXPECT_THAT(sizes_to_refine(points, 0.06, 4), IsEmpty());
}

}  // namespace
}  // namespace forerun
