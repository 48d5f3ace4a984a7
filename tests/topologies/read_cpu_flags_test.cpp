// The flags line of /proc/cpuinfo.
#include "topologies/read_cpu_flags.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(CpuFlags, KeepsTheDecisiveOnes) {
  std::istringstream text(
      "processor\t: 0\nmodel name\t: X\nflags\t\t: fpu avx avx2 avx512f avx512_vnni\n");
  EXPECT_THAT(cpu_flags_from(text), testing::ElementsAre("avx2", "avx512f", "avx512_vnni"));
}

TEST(CpuFlags, ComparesWholeWords) {
  std::istringstream text("flags : avx512_vnni_old amx_bf16x\n");
  EXPECT_TRUE(cpu_flags_from(text).empty());
}

TEST(CpuFlags, OfAnEmptyFileAreNone) {
  std::istringstream text;
  EXPECT_TRUE(cpu_flags_from(text).empty());
}

}  // namespace
}  // namespace forerun
