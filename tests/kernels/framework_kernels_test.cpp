// Kernels that only some frameworks launch, against the double-precision reference.
#include <gtest/gtest.h>

#include "tests/kernels/host_kernel_fixture.hpp"

namespace forerun {
namespace {

// One row, one head, groups of query heads, windows longer than the sequence, odd sizes.
INSTANTIATE_TEST_SUITE_P(
    StoredScores,
    HostKernel,
    testing::Values("scores_forward batch=1 length=1 heads=1 kv_heads=1 head_size=1 causal",
                    "scores_forward batch=2 length=17 heads=4 kv_heads=2 head_size=7 causal",
                    "scores_forward batch=3 length=65 heads=3 kv_heads=3 head_size=16 full",
                    "softmax_forward batch=2 length=17 heads=4 kv_heads=2 head_size=7 causal",
                    "softmax_forward batch=1 length=40 heads=2 kv_heads=1 head_size=8 causal "
                    "window=9",
                    "softmax_forward batch=1 length=40 heads=2 kv_heads=1 head_size=8 full "
                    "window=99",
                    "context_forward batch=1 length=1 heads=1 kv_heads=1 head_size=1 causal",
                    "context_forward batch=2 length=33 heads=4 kv_heads=2 head_size=7 causal",
                    "context_backward batch=1 length=1 heads=1 kv_heads=1 head_size=1 causal",
                    "context_backward batch=2 length=33 heads=4 kv_heads=2 head_size=7 causal",
                    "softmax_backward batch=2 length=33 heads=4 kv_heads=2 head_size=7 causal",
                    "scores_backward batch=1 length=1 heads=1 kv_heads=1 head_size=1 causal",
                    "scores_backward batch=2 length=33 heads=6 kv_heads=2 head_size=7 full"),
    test_name);

INSTANTIATE_TEST_SUITE_P(FusedRows,
                         HostKernel,
                         testing::Values("dropout_forward rows=1 columns=1",
                                         "dropout_forward rows=37 columns=333",
                                         "dropout_backward rows=37 columns=333",
                                         "bias_dropout_add_forward rows=1 columns=5",
                                         "bias_dropout_add_forward rows=65 columns=130",
                                         "bias_gelu_forward rows=33 columns=100",
                                         "bias_gelu_backward rows=33 columns=100"),
                         test_name);

INSTANTIATE_TEST_SUITE_P(GradientArrays,
                         HostKernel,
                         testing::Values("widen elements=1",
                                         "widen elements=10001",
                                         "narrow elements=10001",
                                         "accumulate elements=4097",
                                         "square_sum elements=1",
                                         "square_sum elements=50001",
                                         "scale elements=9999",
                                         "dequantize elements=1",
                                         "dequantize elements=20011"),
                         test_name);

// Nine of ten elements survive, and which ones does not depend on the shape of the rows.
TEST(Dropout, KeepsTheShareThatItIsTold) {
  const KernelKey key = key_of("dropout_forward fp32 rows=100 columns=1000");
  ReferenceOperands operands = random_operands(key);
  run_reference(key, KernelScalars{}, operands);
  double kept = 0.0;
  for (const double bit : operands[2]) {
    kept += bit;
  }
  // Standard deviation of a binomial: sqrt(1e5 * 0.9 * 0.1) = 95; four of them.
  EXPECT_NEAR(kept, 90'000.0, 380.0);
}

}  // namespace
}  // namespace forerun
