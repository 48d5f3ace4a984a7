// The management library where it is found, where it is not, and where it does not know the GPU.
#include "kernels/cuda/management_library.hpp"

#include <gtest/gtest.h>

namespace forerun::cuda {
namespace {

TEST(ManagementLibrary, TellsClockLimitAndDriver) {
  const ManagementLibrary library("0000:18:00.0", FORERUN_FAKE_MANAGEMENT_LIBRARY);
  EXPECT_EQ(library.clock_hz(), 1.755e9);
  EXPECT_EQ(library.power_limit_watts(), 700.0);
  EXPECT_EQ(library.driver_version(), "580.65.06");
}

// Two links between them, and through the switches as many as the poorer of the two has: three.
TEST(ManagementLibrary, CountsNvLinksAndNamesThePath) {
  const ManagementLibrary library("0000:18:00.0", FORERUN_FAKE_MANAGEMENT_LIBRARY);
  const DeviceLink near = library.link_to("0000:2a:00.0");
  EXPECT_EQ(near.first, "0000:18:00.0");
  EXPECT_EQ(near.second, "0000:2a:00.0");
  EXPECT_EQ(near.path, "pcie switch");
  EXPECT_EQ(near.nvlinks, 5);
  const DeviceLink far = library.link_to("0000:9a:00.0");
  EXPECT_EQ(far.path, "system");
  EXPECT_EQ(far.nvlinks, 0);
  EXPECT_EQ(library.link_to("0000:ff:00.0").path, "");
  const ManagementLibrary missing("0000:18:00.0", "libthere-is-none.so");
  EXPECT_EQ(missing.link_to("0000:2a:00.0").path, "");
}

TEST(ManagementLibrary, KnowsNothingOfAGpuThatIsNotThere) {
  const ManagementLibrary library("0000:19:00.0", FORERUN_FAKE_MANAGEMENT_LIBRARY);
  EXPECT_EQ(library.clock_hz(), std::nullopt);
  EXPECT_EQ(library.power_limit_watts(), std::nullopt);
}

TEST(ManagementLibrary, KnowsNothingWhereItIsMissing) {
  const ManagementLibrary library("0000:18:00.0", "libthere-is-none.so");
  EXPECT_EQ(library.clock_hz(), std::nullopt);
  EXPECT_EQ(library.power_limit_watts(), std::nullopt);
  EXPECT_EQ(library.driver_version(), std::nullopt);
}

}  // namespace
}  // namespace forerun::cuda
