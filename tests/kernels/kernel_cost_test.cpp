// FLOP and bytes of kernels against numbers worked by hand.
#include "kernels/kernel_cost.hpp"

#include <string>

#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

double flop(const char* text) {
  return hardware_flops(kernel_key_from(text).value()).in(unit::flop);
}

double bytes(const std::string& text) {
  return minimum_traffic(kernel_key_from(text).value()).in(unit::byte);
}

TEST(MinimumTraffic, OfALookUpTouchesTheRowsOfItsTokensOnly) {
  // 4 bytes of token, one row of 8 bf16 read and one written, for each of 10 tokens.
  EXPECT_DOUBLE_EQ(bytes("embedding_forward bf16 tokens=10 batch=1 columns=8 table_rows=1000"),
                   10.0 * (4 + 2 * 8 * 2));
  // Backward: the gradient row read, an fp32 row of the table's gradient read and written.
  EXPECT_DOUBLE_EQ(bytes("embedding_backward bf16 tokens=10 batch=1 columns=8 table_rows=1000"),
                   10.0 * (4 + 8 * 2 + 2 * 8 * 4));
  // Positions: 10 tokens of 2 sequences stand at 5 positions; x is read and written.
  EXPECT_DOUBLE_EQ(bytes("position_forward bf16 tokens=10 batch=2 columns=8 table_rows=1000"),
                   5.0 * 8 * 2 + 2.0 * 10 * 8 * 2);
}

TEST(HardwareFlops, OfGemmAreTwicePerTerm) {
  // 2 * 1024 * 2304 * 768 = 3 623 878 656.
  EXPECT_DOUBLE_EQ(flop("gemm bf16 m=1024 n=2304 k=768 nt"), 3623878656.0);
}

TEST(HardwareFlops, OfGemmDoNotDependOnTheLayout) {
  EXPECT_DOUBLE_EQ(flop("gemm bf16 m=1024 n=2304 k=768 tn acc"), 3623878656.0);
}

TEST(HardwareFlops, OfFullAttentionAreTwoProducts) {
  // 4 * 1 * 1024^2 * 12 * 64 = 3 221 225 472.
  EXPECT_DOUBLE_EQ(
      flop("attention_forward bf16 batch=1 length=1024 heads=12 kv_heads=12 head_size=64 full"),
      3221225472.0);
}

TEST(HardwareFlops, OfCausalAttentionAreHalf) {
  EXPECT_DOUBLE_EQ(
      flop("attention_forward bf16 batch=1 length=1024 heads=12 kv_heads=4 head_size=64 causal"),
      1610612736.0);
}

TEST(HardwareFlops, OfAttentionBackwardAreFiveProducts) {
  // 2.5 * 1 610 612 736.
  EXPECT_DOUBLE_EQ(
      flop("attention_backward bf16 batch=1 length=1024 heads=12 kv_heads=12 head_size=64 causal"),
      4026531840.0);
}

TEST(HardwareFlops, OfRopeAreSixPerPairOfQueriesAndKeys) {
  // 10 tokens, 4 + 2 heads, 8 / 2 pairs, 6 each: 1440.
  EXPECT_DOUBLE_EQ(flop("rope_forward bf16 tokens=10 batch=1 heads=4 kv_heads=2 head_size=8"),
                   1440.0);
}

TEST(HardwareFlops, OfPartialRopeAreThoseOfWhatIsTurned) {
  // 10 tokens, 6 heads, 2 / 2 pairs, 6 each: 360.
  EXPECT_DOUBLE_EQ(
      flop("rope_forward bf16 tokens=10 batch=1 heads=4 kv_heads=2 head_size=8 rotary_size=2"),
      360.0);
}

TEST(HardwareFlops, OfRmsNormAreFourPerElement) {
  EXPECT_DOUBLE_EQ(flop("rms_norm_forward bf16 rows=10 columns=100"), 4000.0);
}

TEST(HardwareFlops, OfAdamWAreFourteenPerElement) {
  EXPECT_DOUBLE_EQ(flop("adamw bf16 elements=1000"), 14000.0);
}

TEST(HardwareFlops, OfCopiesAreNone) {
  EXPECT_EQ(flop("copy bf16 elements=1000"), 0.0);
}

TEST(MinimumTraffic, OfGemmIsEveryMatrixOnce) {
  // 2 * (1024*768 + 768*2304 + 1024*2304) = 2 * (786432 + 1769472 + 2359296) = 9 830 400.
  EXPECT_DOUBLE_EQ(bytes("gemm bf16 m=1024 n=2304 k=768 nt"), 9830400.0);
}

TEST(MinimumTraffic, OfAccumulationReadsAndWritesFp32) {
  // 2 * (786432 + 1769472) + 8 * 2359296 = 23 986 176.
  EXPECT_DOUBLE_EQ(bytes("gemm bf16 m=1024 n=2304 k=768 nt acc"), 23986176.0);
}

TEST(MinimumTraffic, OfMixedPrecisionAdamWIsThirtyBytes) {
  // Reads grad, master, m, v (16), writes master, m, v (12) and the bf16 weight (2).
  EXPECT_DOUBLE_EQ(bytes("adamw bf16 elements=1000"), 30000.0);
}

TEST(MinimumTraffic, OfAttentionForwardIsPackedRowsOutputAndLogSumExp) {
  // 20 tokens: 2 * 20*(4+2*2)*8 + 2 * 20*4*8 + 4 * 20*4 = 2560 + 1280 + 320.
  EXPECT_DOUBLE_EQ(
      bytes("attention_forward bf16 batch=2 length=10 heads=4 kv_heads=2 head_size=8 causal"),
      4160.0);
}

TEST(MinimumTraffic, OfRopeIsWhatItTurns) {
  // 10 * (4 + 2) * 8 elements of queries and keys, 2 bytes, read and written; no value.
  EXPECT_DOUBLE_EQ(bytes("rope_forward bf16 tokens=10 batch=1 heads=4 kv_heads=2 head_size=8"),
                   1920.0);
  // A quarter of each head.
  EXPECT_DOUBLE_EQ(
      bytes("rope_forward bf16 tokens=10 batch=1 heads=4 kv_heads=2 head_size=8 rotary_size=2"),
      480.0);
}

TEST(MinimumTraffic, OfStoredScoresIsTheHeadsThatAreMultiplied) {
  const std::string sizes = " bf16 batch=2 length=10 heads=4 kv_heads=2 head_size=8 causal";
  // 20 tokens; scores 20*4*10 = 800; queries and keys 20*6*8 = 960; values 20*2*8 = 320.
  EXPECT_DOUBLE_EQ(bytes("scores_forward" + sizes), 2.0 * (960 + 800));
  EXPECT_DOUBLE_EQ(bytes("context_forward" + sizes), 2.0 * (800 + 320 + 640));
  EXPECT_DOUBLE_EQ(bytes("context_backward" + sizes), 2.0 * (800 + 320 + 640 + 800 + 320));
  // Scores' gradient, queries and keys, values' gradient; all of the packed gradient.
  EXPECT_DOUBLE_EQ(bytes("scores_backward" + sizes), 2.0 * (800 + 960 + 320 + 1280));
}

}  // namespace
}  // namespace forerun
