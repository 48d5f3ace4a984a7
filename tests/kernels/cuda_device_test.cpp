// Every kernel of the CUDA device against the double-precision reference, and its timing.
#include "kernels/cuda/cuda_device.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/kernels/kernel_check.hpp"
#include "tests/kernels/own_kernel_keys.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

/// Skips its tests where there is no GPU.
class OnGpu : public testing::Test {
 protected:
  void SetUp() override {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
      GTEST_SKIP() << "no GPU";
    }
    device_ = std::make_unique<cuda::CudaDevice>(DeviceChoice{});
  }

  std::unique_ptr<cuda::CudaDevice> device_;
};

class CudaKernel : public OnGpu, public testing::WithParamInterface<const char*> {};

std::string test_name(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

TEST_P(CudaKernel, AgreesWithTheReferenceInFp32) {
  expect_agrees(*device_, key_of(with_type(GetParam(), "fp32")));
}

TEST_P(CudaKernel, AgreesWithTheReferenceInBf16) {
  expect_agrees(*device_, key_of(with_type(GetParam(), "bf16")));
}

// Sizes with and without a multiple of 8, so that wide and single loads both run.
INSTANTIATE_TEST_SUITE_P(Gemm,
                         CudaKernel,
                         testing::Values("gemm m=1 n=7 k=5 nt",
                                         "gemm m=33 n=65 k=17 nn",
                                         "gemm m=33 n=65 k=17 nt",
                                         "gemm m=33 n=65 k=17 tn",
                                         "gemm m=33 n=65 k=17 tn acc",
                                         "gemm m=128 n=192 k=256 nn",
                                         "gemm m=128 n=192 k=256 nt",
                                         "gemm m=192 n=256 k=128 tn",
                                         "gemm m=128 n=192 k=256 nn acc",
                                         "gemm m=128 n=192 k=256 nt acc",
                                         "gemm m=192 n=256 k=128 tn acc"),
                         test_name);

// More heads than sequences and the reverse; groups, whose keys and values sum over query heads.
INSTANTIATE_TEST_SUITE_P(
    StoredScores,
    CudaKernel,
    testing::Values("scores_forward batch=1 length=1 heads=1 kv_heads=1 head_size=1 causal",
                    "scores_forward batch=2 length=64 heads=8 kv_heads=8 head_size=16 causal",
                    "scores_forward batch=5 length=17 heads=4 kv_heads=2 head_size=7 causal",
                    "context_forward batch=2 length=64 heads=8 kv_heads=8 head_size=16 causal",
                    "context_forward batch=5 length=17 heads=4 kv_heads=2 head_size=7 causal",
                    "context_backward batch=2 length=64 heads=8 kv_heads=8 head_size=16 causal",
                    "context_backward batch=5 length=17 heads=4 kv_heads=2 head_size=7 causal",
                    "scores_backward batch=2 length=64 heads=8 kv_heads=8 head_size=16 causal",
                    "scores_backward batch=5 length=17 heads=4 kv_heads=2 head_size=7 causal"),
    test_name);

INSTANTIATE_TEST_SUITE_P(Rows, CudaKernel, testing::ValuesIn(row_keys()), test_name);
INSTANTIATE_TEST_SUITE_P(Heads, CudaKernel, testing::ValuesIn(head_keys()), test_name);
INSTANTIATE_TEST_SUITE_P(Experts, CudaKernel, testing::ValuesIn(expert_keys()), test_name);
INSTANTIATE_TEST_SUITE_P(Scans, CudaKernel, testing::ValuesIn(scan_keys()), test_name);

// More than the emulation runs in a test's time: many blocks, long rows, long sequences.
INSTANTIATE_TEST_SUITE_P(
    Large,
    CudaKernel,
    testing::Values("rms_norm_backward rows=3000 columns=4096",
                    "layer_norm_backward rows=3000 columns=4096",
                    "qk_norm_backward tokens=2000 batch=2 heads=16 kv_heads=4 head_size=128",
                    "rope_forward tokens=2048 batch=2 heads=32 kv_heads=8 head_size=128",
                    "decode_attention batch=8 context=3000 heads=32 kv_heads=8 head_size=128",
                    "decode_attention batch=2 context=999 heads=16 kv_heads=1 head_size=576 "
                    "value_size=512",
                    "grouped_gemm groups=16 rows=2000 largest=900 n=320 k=200 nt",
                    "grouped_gemm groups=16 rows=2000 largest=900 n=320 k=200 nn",
                    "grouped_gemm groups=16 rows=2000 largest=900 n=320 k=200 tn acc",
                    "router_forward tokens=5000 experts=256 top_k=8",
                    "unpermute_backward tokens=3000 top_k=8 columns=512",
                    "conv1d_backward batch=2 length=600 channels=512 width=4",
                    "ssd_backward batch=2 length=300 heads=8 head_size=64 groups=1 state=128 "
                    "chunk=128",
                    "selective_scan_backward batch=2 length=300 channels=256 state=16"),
    test_name);

class TypedCudaKernel : public OnGpu, public testing::WithParamInterface<const char*> {};

TEST_P(TypedCudaKernel, AgreesWithTheReference) {
  expect_agrees(*device_, key_of(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(IntegersAndFp8,
                         TypedCudaKernel,
                         testing::ValuesIn(typed_keys()),
                         test_name);
INSTANTIATE_TEST_SUITE_P(Large,
                         TypedCudaKernel,
                         testing::Values("expert_sort int32 tokens=20000 experts=256 top_k=8",
                                         "cast fp8_e4m3 rows=1000 columns=2048"),
                         test_name);

class Fp8Gemm : public OnGpu, public testing::WithParamInterface<const char*> {};

// Products of FP8 values are exact in the matrix cores; Hopper's sums keep about 14 bits
// (DeepSeek-V3 report, arXiv 2412.19437, section 3.3.2), 6e-5 a step, and the result is rounded to
// bf16 once.
TEST_P(Fp8Gemm, AgreesWithTheReference) {
  constexpr double room = 1e-2;
  const KernelKey key = key_of(GetParam());
  if (const auto reason = device_->refuses(key)) {
    GTEST_SKIP() << *reason;
  }
  ReferenceOperands expected = random_operands(key);
  const ReferenceOperands actual = run_on(*device_, key, {}, expected);
  run_reference(key, {}, expected);
  EXPECT_LT(relative_error(actual[4], expected[4]), room);
}

INSTANTIATE_TEST_SUITE_P(Shapes,
                         Fp8Gemm,
                         testing::Values("gemm fp8_e4m3 m=128 n=192 k=256 nt",
                                         "gemm fp8_e5m2 m=128 n=192 k=256 nt",
                                         "gemm fp8_e5m2 m=16 n=48 k=160 nt acc",
                                         "gemm fp8_e5m2 m=128 n=192 k=256 nn",
                                         "gemm fp8_e5m2 m=128 n=192 k=256 tn acc"),
                         test_name);

class CudaKernelWithScalars : public OnGpu, public testing::WithParamInterface<const char*> {};

TEST_P(CudaKernelWithScalars, AgreesWithTheReference) {
  expect_agrees(*device_, key_of(GetParam()), unusual_scalars());
}

INSTANTIATE_TEST_SUITE_P(Unusual,
                         CudaKernelWithScalars,
                         testing::ValuesIn(scalar_keys()),
                         test_name);

class CudaAttention : public OnGpu, public testing::WithParamInterface<const char*> {
 protected:
  void expect_agrees_in_both_directions(const std::string& type, double room) {
    for (const std::string op : {"attention_forward ", "attention_backward "}) {
      const KernelKey key = key_of(op + type + " " + GetParam());
      ReferenceOperands expected = random_operands(key);
      const ReferenceOperands actual = run_on(*device_, key, {}, expected);
      run_reference(key, {}, expected);
      const std::vector<Operand> list = operands_of(key);
      for (std::size_t i = 0; i < list.size(); ++i) {
        const double allowed = list[i].access == Access::read ? 0.0 : room;
        EXPECT_LE(relative_error(actual[i], expected[i]), allowed)
            << text_of(key) << " by " << device_->algorithm_of(key) << ": " << list[i].name;
      }
    }
  }
};

TEST_P(CudaAttention, AgreesWithTheReferenceInFp32) {
  expect_agrees_in_both_directions("fp32", tolerance(DataType::fp32));
}

// cuDNN rounds the probabilities and the score gradients to bf16 (2^-9 each) before it multiplies
// them, and the result once more: three roundings of at most 2e-3, and 4e-3 of room for the
// cancellation in d_out v - delta. Our own kernels round once.
TEST_P(CudaAttention, AgreesWithTheReferenceInBf16) {
  expect_agrees_in_both_directions("bf16", 1e-2);
}

INSTANTIATE_TEST_SUITE_P(Sizes, CudaAttention, testing::ValuesIn(attention_sizes()), test_name);

// What cuDNN takes on Hopper: groups, a window, MLA's heads, chunks, lengths off its tiles.
INSTANTIATE_TEST_SUITE_P(
    Fused,
    CudaAttention,
    testing::Values("batch=2 length=128 heads=4 kv_heads=4 head_size=64 causal",
                    "batch=1 length=257 heads=4 kv_heads=2 head_size=128 causal",
                    "batch=2 length=200 heads=2 kv_heads=1 head_size=96 full",
                    "batch=1 length=300 heads=2 kv_heads=2 head_size=192 causal value_size=128",
                    "batch=1 length=300 heads=4 kv_heads=1 head_size=128 causal window=77",
                    "batch=1 length=130 heads=4 kv_heads=2 head_size=64 causal keys=400 offset=270",
                    "batch=1 length=130 heads=4 kv_heads=2 head_size=64 causal keys=400 offset=270 "
                    "window=150",
                    "batch=1 length=130 heads=4 kv_heads=2 head_size=64 causal offset=130",
                    "batch=2 length=130 heads=4 kv_heads=2 head_size=64 full keys=333"),
    test_name);

TEST_F(OnGpu, AttentionKeepsTheLogSumExpInFp32) {
  const KernelKey key =
      key_of("attention_forward bf16 batch=2 length=128 heads=4 kv_heads=2 head_size=64 causal");
  ReferenceOperands expected = random_operands(key);
  const ReferenceOperands actual = run_on(*device_, key, {}, expected);
  run_reference(key, {}, expected);
  EXPECT_LT(relative_error(actual[2], expected[2]), tolerance(DataType::fp32));
}

TEST_F(OnGpu, AttendsItselfWhereCudnnDoesNot) {
  EXPECT_EQ(device_->algorithm_of(key_of(
                "attention_forward bf16 batch=1 length=64 heads=1 kv_heads=1 head_size=7 causal")),
            "own");
}

TEST_F(OnGpu, ReportNamesTheGpuAndItsSoftware) {
  const DeviceReport report = device_->report();
  EXPECT_EQ(report.kind, "cuda");
  EXPECT_GT(report.cores, 0);
  EXPECT_GT(report.memory.in(unit::gibibyte), 1.0);
  EXPECT_GE(report.software.size(), 4U);
  EXPECT_FALSE(report.pci_id.empty());
}

TEST_F(OnGpu, NamesTheAlgorithmOfAGemm) {
  EXPECT_TRUE(
      device_->algorithm_of(key_of("gemm bf16 m=128 n=192 k=256 nt")).starts_with("cuBLASLt "));
}

TEST_F(OnGpu, ReadsAClockBelowItsHighest) {
  const auto clock = device_->clock_hz();
  if (!clock) {
    GTEST_SKIP() << "no management library";
  }
  EXPECT_GT(*clock, 1e8);
  EXPECT_LT(*clock, 5e9);
}

TEST_F(OnGpu, AllocatesAlignedMemory) {
  const DeviceBuffer buffer(*device_, 3);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0U);
}

/// Median time of a copy of this many bytes.
Seconds copy_time(Device& device, std::int64_t bytes, CacheState cache) {
  const KernelKey key{KernelOp::copy, DataType::fp32, FlatShape{bytes / 4}};
  const DeviceBuffer from(device, static_cast<std::size_t>(bytes));
  const DeviceBuffer to(device, static_cast<std::size_t>(bytes));
  device.set_zero(from.data(), from.bytes());
  const std::array<void*, 2> operands{from.data(), to.data()};
  std::vector<Seconds> samples = device.time_runs(key, operands, 11, cache);
  std::ranges::sort(samples);
  return samples.at(5);
}

// No GPU moves 10 TB/s to and from its memory, and none that this runs on less than 50 GB/s.
TEST_F(OnGpu, LargeCopiesRunAtMemorySpeed) {
  constexpr double bytes = 268435456.0;
  const Seconds time = copy_time(*device_, std::int64_t{268435456}, CacheState::hot);
  const BytesPerSecond rate = 2.0 * bytes * unit::byte / time;
  EXPECT_LT(rate.in(unit::terabyte / unit::second), 10.0);
  EXPECT_GT(rate.in(unit::gigabyte / unit::second), 50.0);
}

// A short kernel is timed without its launch: a graph starts one in 1 to 3 us, a host in 5.
TEST_F(OnGpu, ShortKernelsAreTimedInBatches) {
  const Seconds time = copy_time(*device_, 4096, CacheState::hot);
  EXPECT_GT(time.in(unit::microsecond), 0.1);
  EXPECT_LT(time.in(unit::microsecond), 5.0);
}

TEST_F(OnGpu, AFlushedCacheIsNotFaster) {
  const std::int64_t bytes = 8388608;  // twice this fits the L2 caches of A100 and newer
  EXPECT_GE(copy_time(*device_, bytes, CacheState::cold) * 1.1,
            copy_time(*device_, bytes, CacheState::hot));
}

}  // namespace
}  // namespace forerun
