// What attention on the host must and must not look at.
#include <algorithm>

#include <gtest/gtest.h>

#include "kernels/host/host_device.hpp"
#include "tests/kernels/kernel_check.hpp"

namespace forerun {
namespace {

constexpr const char* multi_head =
    "attention_forward fp32 batch=1 length=200 heads=4 kv_heads=4 head_size=16 causal";
constexpr const char* grouped =
    "attention_forward fp32 batch=1 length=200 heads=4 kv_heads=2 head_size=16 causal";

TEST(HostAttention, DoesNotSeeLaterTokens) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = key_of(multi_head);
  const ReferenceOperands operands = random_operands(key);
  ReferenceOperands changed = operands;
  constexpr std::ptrdiff_t seen = 150;
  const std::ptrdiff_t width = 3 * 4 * 16;
  std::fill(changed[0].begin() + seen * width, changed[0].end(), 3.0);
  const auto before = run_on(device, key, {}, operands)[1];
  const auto after = run_on(device, key, {}, changed)[1];
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + seen * 4 * 16, after.begin()));
  EXPECT_FALSE(std::equal(before.begin(), before.end(), after.begin()));
}

TEST(HostAttention, GivesTheFirstTokenItsOwnValue) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = key_of(multi_head);
  const ReferenceOperands operands = random_operands(key);
  const auto out = run_on(device, key, {}, operands)[1];
  const std::ptrdiff_t values = 2 * 4 * 16;
  for (std::ptrdiff_t i = 0; i < 4 * 16; ++i) {
    EXPECT_FLOAT_EQ(static_cast<float>(out[static_cast<std::size_t>(i)]),
                    static_cast<float>(operands[0][static_cast<std::size_t>(values + i)]));
  }
}

// The packed rows of 4 query heads over 2 key-value heads, with each key-value head written twice.
std::vector<double> with_repeated_heads(const std::vector<double>& packed) {
  std::vector<double> repeated;
  for (std::size_t row = 0; row < packed.size(); row += 8 * 16) {
    for (const std::size_t head : {0U, 1U, 2U, 3U, 4U, 4U, 5U, 5U, 6U, 6U, 7U, 7U}) {
      const auto first = packed.begin() + static_cast<std::ptrdiff_t>(row + head * 16);
      repeated.insert(repeated.end(), first, first + 16);
    }
  }
  return repeated;
}

TEST(HostAttention, SharesKeyAndValueHeadsInGroups) {
  host::HostDevice device{DeviceChoice{}};
  const ReferenceOperands operands = random_operands(key_of(grouped));
  ReferenceOperands repeated = random_operands(key_of(multi_head));
  repeated[0] = with_repeated_heads(operands[0]);
  EXPECT_EQ(run_on(device, key_of(grouped), {}, operands)[1],
            run_on(device, key_of(multi_head), {}, repeated)[1]);
}

TEST(HostAttention, SurvivesScoresThatOverflowTheExponential) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key =
      key_of("attention_forward fp32 batch=1 length=40 heads=1 kv_heads=1 head_size=8 full");
  ReferenceOperands operands = random_operands(key);
  for (double& value : operands[0]) {
    value *= 40.0;  // scores of about 1600 * sqrt(8)
  }
  const auto actual = run_on(device, key, {}, operands);
  run_reference(key, {}, operands);
  // Scores near 5000 are rounded to 5e-4, and so are the exponents.
  EXPECT_LT(relative_error(actual[1], operands[1]), 1e-3);
}

TEST(HostAttention, BackwardRepeatsBitForBit) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key =
      key_of("attention_backward fp32 batch=2 length=150 heads=4 kv_heads=1 head_size=16 causal");
  const ReferenceOperands operands = random_operands(key);
  EXPECT_EQ(run_on(device, key, {}, operands)[4], run_on(device, key, {}, operands)[4]);
}

}  // namespace
}  // namespace forerun
