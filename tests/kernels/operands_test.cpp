// The operand lists.
#include "kernels/operands.hpp"

#include <algorithm>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

std::vector<KernelKey> one_key_per_op() {
  std::vector<KernelKey> keys;
  for (int op = 0; op <= static_cast<int>(KernelOp::copy); ++op) {
    const std::string name(name_of(static_cast<KernelOp>(op)));
    for (const char* shape : {" bf16 m=6 n=4 k=2 nt",
                              " bf16 batch=2 length=5 heads=4 kv_heads=2 head_size=6 causal",
                              " bf16 rows=3 columns=8",
                              " bf16 tokens=10 batch=2 heads=4 kv_heads=2 head_size=6",
                              " bf16 tokens=10 batch=2 columns=8 table_rows=7",
                              " bf16 elements=11"}) {
      if (const auto key = kernel_key_from(name + shape)) {
        keys.push_back(*key);
      }
    }
  }
  return keys;
}

std::vector<std::int64_t> sizes_of(const char* text) {
  std::vector<std::int64_t> sizes;
  for (const Operand& operand : operands_of(kernel_key_from(text).value())) {
    sizes.push_back(operand.elements);
  }
  return sizes;
}

TEST(Operands, ExistForEveryOp) {
  EXPECT_EQ(one_key_per_op().size(), static_cast<std::size_t>(KernelOp::copy) + 1);
  for (const KernelKey& key : one_key_per_op()) {
    EXPECT_FALSE(operands_of(key).empty()) << text_of(key);
  }
}

TEST(Operands, AreNeverEmpty) {
  for (const KernelKey& key : one_key_per_op()) {
    for (const Operand& operand : operands_of(key)) {
      EXPECT_GT(operand.elements, 0) << text_of(key) << " " << operand.name;
    }
  }
}

TEST(Operands, AreWrittenByEveryOp) {
  for (const KernelKey& key : one_key_per_op()) {
    const auto list = operands_of(key);
    EXPECT_TRUE(std::ranges::any_of(list, [](const Operand& o) {
      return o.access != Access::read;
    })) << text_of(key);
  }
}

TEST(Operands, HaveNamesOfTheirOwn) {
  for (const KernelKey& key : one_key_per_op()) {
    auto list = operands_of(key);
    std::ranges::sort(list, {}, &Operand::name);
    EXPECT_EQ(std::ranges::adjacent_find(list, {}, &Operand::name), list.end()) << text_of(key);
  }
}

TEST(Operands, SumToTheMinimumTraffic) {
  for (const KernelKey& key : one_key_per_op()) {
    double bytes = 0.0;
    for (const Operand& operand : operands_of(key)) {
      const double once =
          static_cast<double>(operand.elements) * size_of(operand.type).in(unit::byte);
      bytes += operand.access == Access::read_write ? 2.0 * once : once;
    }
    // A look-up touches some rows of its table; rope and the norm of queries and keys some heads.
    if (std::holds_alternative<TableShape>(key.shape) ||
        std::holds_alternative<HeadsShape>(key.shape)) {
      EXPECT_LE(minimum_traffic(key).in(unit::byte), bytes) << text_of(key);
    } else {
      EXPECT_DOUBLE_EQ(minimum_traffic(key).in(unit::byte), bytes) << text_of(key);
    }
  }
}

TEST(Operands, OfAttentionBackwardArePackedRowsOutputsAndLogSumExp) {
  // 10 tokens, width (4 + 2*2) * 6 = 48, outputs 24 wide, one lse per token and query head.
  EXPECT_THAT(
      sizes_of("attention_backward bf16 batch=2 length=5 heads=4 kv_heads=2 head_size=6 causal"),
      testing::ElementsAre(480, 240, 40, 240, 480));
}

TEST(Operands, OfSwigluReadGateAndUp) {
  EXPECT_THAT(sizes_of("swiglu_forward bf16 rows=3 columns=8"), testing::ElementsAre(48, 24));
}

TEST(Operands, OfLayerNormKeepMeansAndDeviations) {
  EXPECT_THAT(sizes_of("layer_norm_forward bf16 rows=3 columns=8"),
              testing::ElementsAre(24, 8, 8, 24, 6));
}

TEST(Operands, OfFp32AdamWHaveNoSecondCopy) {
  EXPECT_THAT(sizes_of("adamw fp32 elements=11"), testing::ElementsAre(11, 11, 11, 11));
}

TEST(Operands, OfBf16AdamWEndWithTheBf16Weight) {
  const auto list = operands_of(kernel_key_from("adamw bf16 elements=11").value());
  ASSERT_EQ(list.size(), 5U);
  EXPECT_EQ(list.back().type, DataType::bf16);
}

TEST(Operands, OfAccumulationAreFp32AndReadFirst) {
  const auto list = operands_of(kernel_key_from("gemm bf16 m=6 n=4 k=2 tn acc").value());
  EXPECT_EQ(list[2].type, DataType::fp32);
  EXPECT_EQ(list[2].access, Access::read_write);
}

}  // namespace
}  // namespace forerun
