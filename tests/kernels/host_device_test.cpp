// The host device as the program meets it: the module, its report, refusals, memory, timing.
#include "kernels/host/host_device.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <memory>

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include "kernels/host/cpu.hpp"
#include "kernels/host/fast_exp.hpp"
#include "kernels/kernel_cost.hpp"
#include "tests/kernels/kernel_check.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

TEST(HostModule, OpensADevice) {
  void* module = dlopen(FORERUN_BIN_DIR "/forerun_host.so", RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(module, nullptr) << dlerror();
  const auto open = reinterpret_cast<OpenDevice>(dlsym(module, open_device_symbol));
  ASSERT_NE(open, nullptr);
  const std::unique_ptr<Device> device(open(DeviceChoice{}));
  EXPECT_EQ(device->report().kind, "host");
  expect_agrees(*device, key_of("gemm fp32 m=5 n=6 k=7 nt"));
}

TEST(HostReport, NamesCoresMemoryAndLibraries) {
  const host::HostDevice device{DeviceChoice{}};
  const DeviceReport report = device.report();
  EXPECT_FALSE(report.name.empty());
  EXPECT_GE(report.cores, 1);
  EXPECT_GT(report.memory, 100.0 * unit::mebibyte);
  EXPECT_GT(report.last_level_cache, 100.0 * unit::kibibyte);
  EXPECT_THAT(report.software,
              testing::Contains(testing::Pair("onednn", testing::StartsWith("2."))));
  EXPECT_THAT(report.software, testing::Contains(testing::Key("isa")));
}

// Of one cache, not of all in the package: glibc 2.36 gives 320 MiB where a core shares 32.
TEST(HostReport, TakesTheLastCacheFromTheOperatingSystem) {
  std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index3/size");
  double kibibytes = 0.0;
  if (!(file >> kibibytes) || std::ifstream("/sys/devices/system/cpu/cpu0/cache/index4/size")) {
    GTEST_SKIP() << "no third cache, or a fourth";
  }
  const host::HostDevice device{DeviceChoice{}};
  EXPECT_EQ(device.report().last_level_cache, kibibytes * unit::kibibyte);
}

TEST(HostReport, SharesTheNodesMemoryAmongItsRanks) {
  const host::HostDevice one{DeviceChoice{}};
  const host::HostDevice four{DeviceChoice{.local_rank = 1, .local_ranks = 4}};
  EXPECT_DOUBLE_EQ(one.report().memory / four.report().memory, 4.0);
}

TEST(HostReport, SharesWhatIsFreeAmongItsRanks) {
  const host::HostDevice one{DeviceChoice{}};
  const host::HostDevice four{DeviceChoice{.local_rank = 1, .local_ranks = 4}};
  // Others allocate between the two looks.
  EXPECT_NEAR(one.room() / four.room(), 4.0, 1.0);
  EXPECT_LT(one.room(), one.report().memory);
}

// 2 x 3 and 3 x 5 elements that are read, 2 x 5 that are written, 4 bytes each in fp32. A product
// of one row is not converted.
TEST(HostReport, KnowsWhatProductsTakeBesideTheirOperands) {
  const host::HostDevice device{DeviceChoice{}, host::Bf16Gemm::converted};
  const auto bytes = [&device](const char* text) {
    return device.scratch(key_of(text)).in(unit::byte);
  };
  EXPECT_EQ(bytes("gemm bf16 m=20 n=50 k=30 nt"), 4.0 * (20 * 30 + 30 * 50 + 20 * 50));
  EXPECT_EQ(bytes("gemm bf16 m=20 n=50 k=30 tn acc"), 4.0 * (20 * 30 + 30 * 50));
  EXPECT_EQ(bytes("gemm fp32 m=20 n=50 k=30 tn acc"), 4.0 * 20 * 50);
  EXPECT_EQ(bytes("gemm fp32 m=20 n=50 k=30 nt"), 0.0);
  EXPECT_EQ(bytes("gemm bf16 m=1 n=50 k=30 nt"), 0.0);
  const host::HostDevice native{DeviceChoice{}, host::Bf16Gemm::native};
  EXPECT_EQ(native.scratch(key_of("gemm bf16 m=20 n=50 k=30 nt")), Bytes());
}

TEST(HostTiming, IsNeverBelowWhatTheCoresCanMove) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = key_of("copy fp32 elements=2048");  // in the first cache, twice
  std::vector<DeviceBuffer> buffers;
  std::vector<void*> operands;
  for (const Operand& operand : operands_of(key)) {
    buffers.emplace_back(device, bytes_of(operand));
    operands.push_back(buffers.back().data());
    device.set_zero(operands.back(), bytes_of(operand));
  }
  for (const Seconds time : device.time_runs(key, operands, 200, CacheState::hot)) {
    EXPECT_GT(time, device.least_time(minimum_traffic(key)));
  }
  EXPECT_GT(device.least_time(minimum_traffic(key)), Seconds());
}

TEST(HostThreads, NeverFallBelowOne) {
  EXPECT_EQ(host::threads_for({.local_rank = 0, .local_ranks = 1 << 20}), 1);
}

TEST(HostRefusal, NamesTheTypesItComputesIn) {
  const host::HostDevice device{DeviceChoice{}};
  EXPECT_THAT(device.refuses(key_of("gemm fp8_e4m3 m=1 n=1 k=1 nt")),
              testing::Optional(testing::HasSubstr("fp8_e4m3")));
}

TEST(HostRefusal, CoversSizesBelowOne) {
  const host::HostDevice device{DeviceChoice{}};
  EXPECT_TRUE(device.refuses(key_of("gemm fp32 m=1 n=0 k=1 nt")).has_value());
  EXPECT_TRUE(device.refuses(key_of("copy fp32 elements=-1")).has_value());
}

TEST(HostRefusal, CoversGroupsThatDoNotDivide) {
  const host::HostDevice device{DeviceChoice{}};
  EXPECT_TRUE(device
                  .refuses(key_of("attention_forward fp32 batch=1 length=4 heads=5 kv_heads=2 "
                                  "head_size=8 causal"))
                  .has_value());
}

TEST(HostRefusal, CoversOddHeadsUnderRope) {
  const host::HostDevice device{DeviceChoice{}};
  EXPECT_TRUE(
      device.refuses(key_of("rope_forward fp32 tokens=4 batch=1 heads=1 kv_heads=1 head_size=7"))
          .has_value());
}

TEST(HostMemory, LiesOnCacheLines) {
  host::HostDevice device{DeviceChoice{}};
  const DeviceBuffer one(device, 1);
  const DeviceBuffer other(device, 1000);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(one.data()) % 64, 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(other.data()) % 64, 0U);
}

class HostTiming : public testing::TestWithParam<CacheState> {};

TEST_P(HostTiming, GivesOnePositiveTimePerRun) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = key_of("gemm bf16 m=64 n=64 k=64 nt");
  const DeviceBuffer a(device, 64 * 64 * 2);
  const DeviceBuffer b(device, 64 * 64 * 2);
  const DeviceBuffer c(device, 64 * 64 * 2);
  device.set_zero(a.data(), a.bytes());
  device.set_zero(b.data(), b.bytes());
  const std::vector<void*> operands = {a.data(), b.data(), c.data()};
  const std::vector<Seconds> samples = device.time_runs(key, operands, 5, GetParam());
  EXPECT_THAT(samples, testing::SizeIs(5));
  EXPECT_THAT(samples, testing::Each(testing::Gt(Seconds{})));
}

INSTANTIATE_TEST_SUITE_P(BothCacheStates,
                         HostTiming,
                         testing::Values(CacheState::cold, CacheState::hot));

// Cold runs bring the code back on copies: the operands themselves see the runs that are timed, and
// the one before them.
TEST(HostTimingCold, RunsOnCopiesInBetween) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = key_of("accumulate fp32 elements=64");
  const std::vector<float> ones(64, 1.0F);
  const DeviceBuffer from(device, 64 * 4);
  const DeviceBuffer sum(device, 64 * 4);
  device.copy_in(from.data(), ones.data(), from.bytes());
  device.set_zero(sum.data(), sum.bytes());
  const std::vector<void*> operands = {from.data(), sum.data()};
  EXPECT_THAT(device.time_runs(key, operands, 3, CacheState::cold), testing::SizeIs(3));
  std::vector<float> sums(64);
  device.copy_out(sums.data(), sum.data(), sum.bytes());
  EXPECT_THAT(sums, testing::Each(4.0F));
}

// Half a mebibyte, which every cache of the last level holds: hot it stays there, cold it does not.
// One thread: waking others may take longer than the copy.
TEST(HostTimingCold, IsSlowerThanHotForWhatACacheHolds) {
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = key_of("copy fp32 elements=65536");
  const DeviceBuffer from(device, 65536 * 4);
  const DeviceBuffer to(device, 65536 * 4);
  device.set_zero(from.data(), from.bytes());
  device.set_zero(to.data(), to.bytes());
  const std::vector<void*> operands = {from.data(), to.data()};
  Seconds cold = Seconds::infinite();
  Seconds hot = Seconds::infinite();
  for (int round = 0; round < 3; ++round) {
    cold = std::min(cold, std::ranges::min(device.time_runs(key, operands, 3, CacheState::cold)));
    hot = std::min(hot, std::ranges::min(device.time_runs(key, operands, 20, CacheState::hot)));
  }
  omp_set_num_threads(threads);
  EXPECT_GT(cold / hot, 1.2);
}

TEST(FastExponential, IsAccurateOverItsRange) {
  for (double x = -87.0; x < 87.0; x += 0.0137) {
    const auto argument = static_cast<float>(x);
    const double exact = std::exp(static_cast<double>(argument));
    EXPECT_NEAR(static_cast<double>(host::fast_exp(argument)) / exact, 1.0, 2.5e-7) << x;
  }
}

TEST(FastExponential, IsZeroForMaskedScores) {
  EXPECT_EQ(host::fast_exp_or_zero(-INFINITY), 0.0F);
}

TEST(Bfloat16, RoundsTiesToEven) {
  // 1 + 2^-8 lies between 1 and 1 + 2^-7; 1 + 3 * 2^-8 between 1 + 2^-7 and 1 + 2^-6.
  EXPECT_EQ(host::widened(host::narrowed(1.0F + 0x1p-8F)), 1.0F);
  EXPECT_EQ(host::widened(host::narrowed(1.0F + 0x3p-8F)), 1.0F + 0x1p-6F);
  EXPECT_EQ(host::widened(host::narrowed(1.0F + 0x1p-8F + 0x1p-20F)), 1.0F + 0x1p-7F);
}

TEST(Bfloat16, KeepsNanAndInfinity) {
  EXPECT_TRUE(std::isnan(host::widened(host::narrowed(std::bit_cast<float>(0x7f800001U)))));
  EXPECT_EQ(host::widened(host::narrowed(INFINITY)), INFINITY);
}

}  // namespace
}  // namespace forerun
