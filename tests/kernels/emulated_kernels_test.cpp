// Our own CUDA kernels, emulated, against the double-precision reference: every key in both number
// formats, with the threads of a block run first to last and last to first, so that what is missing
// a barrier is found, with memory around every operand that must stay as it was.
#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cuda/own_kernels.hpp"
#include "tests/fake/cuda_emulator.hpp"
#include "tests/fake/emulated_device.hpp"
#include "tests/kernels/kernel_check.hpp"
#include "tests/kernels/own_kernel_keys.hpp"

namespace forerun {
namespace {

using emulated::ThreadOrder;

// The sanitizers make all this ten times slower and look for what does not depend on the order.
#ifdef __SANITIZE_ADDRESS__
constexpr std::array orders{ThreadOrder::backward};
#else
constexpr std::array orders{ThreadOrder::forward, ThreadOrder::backward};
#endif

void expect_agrees_emulated(const std::string& text, const KernelScalars& scalars = {}) {
  for (const ThreadOrder order : orders) {
    SCOPED_TRACE(order == ThreadOrder::forward ? "first to last" : "last to first");
    const int overruns = emulated::overruns();
    emulated::set_thread_order(order);
    {
      EmulatedDevice device;
      expect_agrees(device, key_of(text), scalars);
    }
    EXPECT_EQ(emulated::overruns(), overruns) << text << " wrote outside of its operands";
  }
}

std::string test_name(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

class EmulatedKernel : public testing::TestWithParam<const char*> {};

TEST_P(EmulatedKernel, AgreesWithTheReferenceInFp32) {
  expect_agrees_emulated(with_type(GetParam(), "fp32"));
}

TEST_P(EmulatedKernel, AgreesWithTheReferenceInBf16) {
  expect_agrees_emulated(with_type(GetParam(), "bf16"));
}

INSTANTIATE_TEST_SUITE_P(Rows, EmulatedKernel, testing::ValuesIn(row_keys()), test_name);
INSTANTIATE_TEST_SUITE_P(Heads, EmulatedKernel, testing::ValuesIn(head_keys()), test_name);
INSTANTIATE_TEST_SUITE_P(Experts, EmulatedKernel, testing::ValuesIn(expert_keys()), test_name);
INSTANTIATE_TEST_SUITE_P(Scans, EmulatedKernel, testing::ValuesIn(scan_keys()), test_name);

class EmulatedAttention : public testing::TestWithParam<const char*> {};

TEST_P(EmulatedAttention, AgreesWithTheReference) {
  for (const char* type : {"fp32", "bf16"}) {
    for (const char* op : {"attention_forward", "attention_backward"}) {
      expect_agrees_emulated(std::string(op) + " " + type + " " + GetParam());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, EmulatedAttention, testing::ValuesIn(attention_sizes()), test_name);

class EmulatedTypedKernel : public testing::TestWithParam<const char*> {};

TEST_P(EmulatedTypedKernel, AgreesWithTheReference) {
  expect_agrees_emulated(GetParam());
}

INSTANTIATE_TEST_SUITE_P(IntegersAndFp8,
                         EmulatedTypedKernel,
                         testing::ValuesIn(typed_keys()),
                         test_name);

class EmulatedKernelWithScalars : public testing::TestWithParam<const char*> {};

TEST_P(EmulatedKernelWithScalars, AgreesWithTheReference) {
  expect_agrees_emulated(GetParam(), unusual_scalars());
}

INSTANTIATE_TEST_SUITE_P(Unusual,
                         EmulatedKernelWithScalars,
                         testing::ValuesIn(scalar_keys()),
                         test_name);

TEST(OwnKernels, LeaveMatrixProductsToTheLibraries) {
  for (const char* text :
       {"gemm bf16 m=4 n=4 k=4 nt",
        "scores_forward bf16 batch=1 length=4 heads=2 kv_heads=1 head_size=8 causal",
        "context_forward fp32 batch=1 length=4 heads=2 kv_heads=1 head_size=8 causal",
        "context_backward fp32 batch=1 length=4 heads=2 kv_heads=1 head_size=8 causal",
        "scores_backward fp32 batch=1 length=4 heads=2 kv_heads=1 head_size=8 causal"}) {
    EXPECT_THAT(cuda::OwnKernels::refuses(key_of(text)).value_or(""),
                testing::HasSubstr("matrix products"));
  }
}

}  // namespace
}  // namespace forerun
