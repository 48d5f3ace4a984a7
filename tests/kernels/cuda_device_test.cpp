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

class CudaKernel : public OnGpu, public testing::WithParamInterface<std::string> {};

std::string with_type(std::string text, const std::string& type) {
  return text.insert(text.find(' '), " " + type);
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
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

INSTANTIATE_TEST_SUITE_P(
    Rows,
    CudaKernel,
    testing::Values("rms_norm_forward rows=7 columns=129",
                    "rms_norm_forward rows=64 columns=768",
                    "rms_norm_backward rows=7 columns=129",
                    "rms_norm_backward rows=300 columns=768",
                    "layer_norm_forward rows=7 columns=129",
                    "layer_norm_forward rows=64 columns=768",
                    "layer_norm_backward rows=7 columns=129",
                    "layer_norm_backward rows=300 columns=768",
                    "qk_norm_forward tokens=6 batch=2 heads=4 kv_heads=2 head_size=7",
                    "qk_norm_forward tokens=64 batch=1 heads=3 kv_heads=1 head_size=64",
                    "qk_norm_backward tokens=6 batch=2 heads=4 kv_heads=2 head_size=7",
                    "qk_norm_backward tokens=64 batch=1 heads=3 kv_heads=3 head_size=64",
                    "rope_forward tokens=6 batch=2 heads=4 kv_heads=2 head_size=6",
                    "rope_forward tokens=256 batch=2 heads=3 kv_heads=1 head_size=128",
                    "rope_backward tokens=256 batch=2 heads=3 kv_heads=1 head_size=128"),
    test_name);

INSTANTIATE_TEST_SUITE_P(ElementWise,
                         CudaKernel,
                         testing::Values("swiglu_forward rows=33 columns=517",
                                         "swiglu_forward rows=32 columns=512",
                                         "swiglu_backward rows=33 columns=517",
                                         "swiglu_backward rows=32 columns=512",
                                         "gelu_forward rows=33 columns=517",
                                         "gelu_forward rows=32 columns=512",
                                         "gelu_backward rows=33 columns=517",
                                         "gelu_backward rows=32 columns=512",
                                         "add rows=33 columns=517",
                                         "add rows=32 columns=512",
                                         "bias_forward rows=33 columns=517",
                                         "bias_forward rows=32 columns=512",
                                         "bias_backward rows=33 columns=517",
                                         "bias_backward rows=700 columns=512",
                                         "zero elements=40001",
                                         "copy elements=40001",
                                         "adamw elements=40001",
                                         "adamw elements=40000"),
                         test_name);

INSTANTIATE_TEST_SUITE_P(
    TablesAndLoss,
    CudaKernel,
    testing::Values("embedding_forward tokens=70 batch=2 columns=257 table_rows=11",
                    "embedding_forward tokens=70 batch=2 columns=256 table_rows=11",
                    "embedding_backward tokens=70 batch=2 columns=257 table_rows=11",
                    "position_forward tokens=70 batch=2 columns=257 table_rows=40",
                    "position_backward tokens=70 batch=2 columns=257 table_rows=40",
                    "cross_entropy_max rows=17 columns=1013",
                    "cross_entropy_sum rows=17 columns=1013",
                    "cross_entropy_gradient rows=17 columns=1013"),
    test_name);

class CudaKernelOfRank : public OnGpu, public testing::WithParamInterface<std::string> {};

// A rank that holds vocabulary rows or token rows from 5 on, with 600 real columns.
TEST_P(CudaKernelOfRank, AgreesWithTheReferenceWhereItsShareDoesNotStartAtZero) {
  KernelScalars scalars;
  scalars.first = 5;
  scalars.valid = 600;
  scalars.scale = 0.25;
  expect_agrees(*device_, key_of(GetParam()), scalars);
}

INSTANTIATE_TEST_SUITE_P(
    Share,
    CudaKernelOfRank,
    testing::Values("embedding_forward fp32 tokens=70 batch=2 columns=64 table_rows=11",
                    "embedding_backward fp32 tokens=70 batch=2 columns=64 table_rows=11",
                    "position_forward fp32 tokens=70 batch=2 columns=64 table_rows=40",
                    "position_backward fp32 tokens=70 batch=2 columns=64 table_rows=40",
                    "rope_forward fp32 tokens=70 batch=2 heads=3 kv_heads=1 head_size=64",
                    "cross_entropy_max bf16 rows=17 columns=1013",
                    "cross_entropy_sum bf16 rows=17 columns=1013",
                    "cross_entropy_gradient bf16 rows=17 columns=1013"),
    test_name);

class Fp32Attention : public OnGpu, public testing::WithParamInterface<std::string> {};

TEST_P(Fp32Attention, AgreesWithTheReference) {
  expect_agrees(*device_, key_of(GetParam()));
}

// Lengths around the tile of 32, groups of every kind, odd and the largest head sizes.
INSTANTIATE_TEST_SUITE_P(
    Shapes,
    Fp32Attention,
    testing::Values(
        "attention_forward fp32 batch=1 length=1 heads=1 kv_heads=1 head_size=1 causal",
        "attention_forward fp32 batch=2 length=17 heads=3 kv_heads=3 head_size=7 causal",
        "attention_forward fp32 batch=2 length=130 heads=4 kv_heads=2 head_size=64 full",
        "attention_forward fp32 batch=1 length=65 heads=2 kv_heads=1 head_size=256 causal",
        "attention_backward fp32 batch=2 length=17 heads=3 kv_heads=3 head_size=7 causal",
        "attention_backward fp32 batch=2 length=130 heads=4 kv_heads=2 head_size=64 full",
        "attention_backward fp32 batch=1 length=65 heads=2 kv_heads=1 head_size=256 causal"),
    test_name);

class Bf16Attention : public OnGpu, public testing::WithParamInterface<std::string> {};

// cuDNN rounds the probabilities and the score gradients to bf16 (2^-9 each) before it multiplies
// them, and the result once more: three roundings of at most 2e-3, and 4e-3 of room for the
// cancellation in d_out v - delta.
TEST_P(Bf16Attention, AgreesWithTheReference) {
  constexpr double room = 1e-2;
  const KernelKey key = key_of(GetParam());
  ReferenceOperands expected = random_operands(key);
  const ReferenceOperands actual = run_on(*device_, key, {}, expected);
  run_reference(key, {}, expected);
  const std::size_t result = key.op == KernelOp::attention_forward ? 1 : 4;
  EXPECT_LT(relative_error(actual[result], expected[result]), room);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes,
    Bf16Attention,
    testing::Values(
        "attention_forward bf16 batch=2 length=128 heads=4 kv_heads=4 head_size=64 causal",
        "attention_forward bf16 batch=1 length=257 heads=4 kv_heads=2 head_size=128 causal",
        "attention_forward bf16 batch=2 length=200 heads=2 kv_heads=1 head_size=96 full",
        "attention_backward bf16 batch=2 length=128 heads=4 kv_heads=4 head_size=64 causal",
        "attention_backward bf16 batch=1 length=257 heads=4 kv_heads=2 head_size=128 causal",
        "attention_backward bf16 batch=2 length=200 heads=2 kv_heads=1 head_size=96 full"),
    test_name);

TEST_F(OnGpu, AttentionKeepsTheLogSumExpInFp32) {
  const KernelKey key =
      key_of("attention_forward bf16 batch=2 length=128 heads=4 kv_heads=2 head_size=64 causal");
  ReferenceOperands expected = random_operands(key);
  const ReferenceOperands actual = run_on(*device_, key, {}, expected);
  run_reference(key, {}, expected);
  EXPECT_LT(relative_error(actual[2], expected[2]), tolerance(DataType::fp32));
}

TEST_F(OnGpu, RefusesHeadSizesThatCudnnDoesNotTake) {
  EXPECT_TRUE(device_->refuses(
      key_of("attention_forward bf16 batch=1 length=64 heads=1 kv_heads=1 head_size=7 causal")));
}

TEST_F(OnGpu, RefusesFp8) {
  EXPECT_TRUE(device_->refuses({KernelOp::copy, DataType::fp8_e4m3, FlatShape{16}}));
}

TEST_F(OnGpu, ReportNamesTheGpuAndItsSoftware) {
  const DeviceReport report = device_->report();
  EXPECT_EQ(report.kind, "cuda");
  EXPECT_GT(report.cores, 0);
  EXPECT_GT(report.memory.in(unit::gibibyte), 1.0);
  EXPECT_EQ(report.software.size(), 4U);
  EXPECT_FALSE(report.pci_id.empty());
}

TEST_F(OnGpu, NamesTheAlgorithmOfAGemm) {
  EXPECT_GE(device_->gemm_algorithm_id(key_of("gemm bf16 m=128 n=192 k=256 nt")), 0);
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
