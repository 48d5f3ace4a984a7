// The batches of products that a GPU's library is given, multiplied here as they are written,
// against the reference of the whole kernel.
#include "kernels/cuda/product_plan.hpp"

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/kernels/kernel_check.hpp"

namespace forerun {
namespace {

std::size_t element(const cuda::Place& place,
                    const cuda::BatchMatrix& matrix,
                    std::int64_t product,
                    std::int64_t row,
                    std::int64_t column) {
  return static_cast<std::size_t>(place.element + product * matrix.step + row * matrix.row +
                                  column);
}

void multiply(const cuda::ProductBatch& batch, ReferenceOperands& operands) {
  const cuda::BatchShape& s = batch.shape;
  for (std::int64_t product = 0; product < s.count; ++product) {
    for (std::int64_t i = 0; i < s.m; ++i) {
      for (std::int64_t j = 0; j < s.n; ++j) {
        double& c = operands[batch.c.operand].at(element(batch.c, s.c, product, i, j));
        double sum = batch.adds ? c : 0.0;
        for (std::int64_t p = 0; p < s.k; ++p) {
          const bool turns_a = s.layout == GemmLayout::tn;
          const bool turns_b = s.layout == GemmLayout::nt;
          const auto a =
              turns_a ? element(batch.a, s.a, product, p, i) : element(batch.a, s.a, product, i, p);
          const auto b =
              turns_b ? element(batch.b, s.b, product, j, p) : element(batch.b, s.b, product, p, j);
          sum += operands[batch.a.operand].at(a) * operands[batch.b.operand].at(b);
        }
        c = sum;
      }
    }
  }
}

class HeadProducts : public testing::TestWithParam<std::string> {};

TEST_P(HeadProducts, MakeTheKernelsResults) {
  for (const std::string op :
       {"scores_forward", "context_forward", "context_backward", "scores_backward"}) {
    const KernelKey key = key_of(op + " fp32 " + GetParam());
    const std::vector<Operand> list = operands_of(key);
    ReferenceOperands expected = random_operands(key);
    ReferenceOperands actual = expected;
    run_reference(key, {}, expected);
    if (op == "scores_backward") {
      actual[3] = expected[3];  // the values' part is a copy; poison the rest
      const auto& s = std::get<AttentionKeyShape>(key.shape);
      const auto width = static_cast<std::size_t>((s.heads + 2 * s.kv_heads) * s.head_size);
      for (std::size_t i = 0; i < actual[3].size(); ++i) {
        if (i % width < static_cast<std::size_t>((s.heads + s.kv_heads) * s.head_size)) {
          actual[3][i] = std::nan("");
        }
      }
    }
    for (const cuda::ProductBatch& batch : cuda::head_products(key)) {
      multiply(batch, actual);
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      EXPECT_LT(relative_error(actual[i], expected[i]), 1e-14) << text_of(key) << list[i].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes,
                         HeadProducts,
                         testing::Values("batch=1 length=1 heads=1 kv_heads=1 head_size=1 causal",
                                         "batch=1 length=5 heads=4 kv_heads=4 head_size=3 causal",
                                         "batch=2 length=5 heads=6 kv_heads=3 head_size=2 causal",
                                         "batch=5 length=3 heads=4 kv_heads=2 head_size=2 full",
                                         "batch=3 length=4 heads=3 kv_heads=1 head_size=2 full"));

TEST(HeadProducts, AreOneBatchASequenceWithoutGroups) {
  const auto batches = cuda::head_products(
      key_of("scores_forward bf16 batch=2 length=64 heads=8 kv_heads=8 head_size=16 causal"));
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_EQ(batches[0].shape.count, 8);
}

TEST(HeadProducts, AreNoneOfOtherKernels) {
  EXPECT_TRUE(cuda::head_products(key_of("softmax_forward bf16 batch=1 length=4 heads=2 "
                                         "kv_heads=2 head_size=8 causal"))
                  .empty());
  EXPECT_TRUE(cuda::head_products(key_of("gemm bf16 m=4 n=4 k=4 nt")).empty());
}

}  // namespace
}  // namespace forerun
