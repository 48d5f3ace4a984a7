// Ranks that compute slower than the others, by the medians that each had.
#include "estimator/measure/slow_ranks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// One kernel that takes so many milliseconds on each rank.
KernelRecord kernel(const std::vector<double>& milliseconds) {
  KernelRecord record;
  for (const double time : milliseconds) {
    record.timing.rank_medians.push_back(time * unit::millisecond);
  }
  return record;
}

TEST(SlowRanks, NamesTheOneThatTakesTenTimesAsLong) {
  const std::vector<KernelRecord> kernels{
      kernel({2, 20, 2}), kernel({3, 33, 3}), kernel({5, 45, 5})};
  EXPECT_THAT(slow_ranks(kernels, {"n0", "n0", "n1"}),
              ElementsAre("straggler: rank 1 on n0 takes 10.0 times as long as the middle rank "
                          "(median over 3 kernels): every step waits for it"));
}

TEST(SlowRanks, OfTwoRanksIsTheSlower) {
  const std::vector<KernelRecord> kernels{kernel({20, 2}), kernel({20, 2}), kernel({20, 2})};
  EXPECT_THAT(slow_ranks(kernels, {"n0", "n1"}), ElementsAre(testing::HasSubstr("rank 0 on n0")));
}

// One kernel that was disturbed, launches of a microsecond, a fifth: none of them is a slow rank.
TEST(SlowRanks, AreNotMadeOfNoise) {
  const std::vector<std::string> hosts{"n0", "n0"};
  EXPECT_THAT(slow_ranks({kernel({2, 20}), kernel({2, 2}), kernel({2, 2})}, hosts), IsEmpty());
  EXPECT_THAT(slow_ranks({kernel({2, 2.3}), kernel({2, 2.3}), kernel({2, 2.3})}, hosts), IsEmpty());
  const KernelRecord launch = kernel({0.001, 0.01});
  EXPECT_THAT(slow_ranks({launch, launch, launch}, hosts), IsEmpty());
  EXPECT_THAT(slow_ranks({kernel({2}), kernel({2}), kernel({2})}, {"n0"}), IsEmpty());
}

}  // namespace
}  // namespace forerun
