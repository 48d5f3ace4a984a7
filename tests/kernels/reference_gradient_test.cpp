// Backward kernels of the reference against central differences: products, tables, routing, and
// what only some frameworks launch.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/kernels/differences.hpp"
#include "tests/kernels/kernel_check.hpp"

namespace forerun {
namespace {

// A forward kernel with its inputs, and the gradient that its output receives.
struct Forward {
  Forward(const std::string& text, std::size_t output_operand, const KernelScalars& given = {})
      : key(key_of(text)), output(output_operand), scalars(given), inputs(random_operands(key)) {
    dy = random_operands(key, {}, 2)[output];
  }

  // Written operands too.
  [[nodiscard]] ReferenceOperands results() const {
    ReferenceOperands all = inputs;
    run_reference(key, scalars, all);
    return all;
  }

  [[nodiscard]] std::vector<double> slopes(std::size_t input) const {
    return differences(Loss{key, output, dy, scalars}, inputs, input);
  }

  KernelKey key;
  std::size_t output;
  KernelScalars scalars;
  ReferenceOperands inputs;
  std::vector<double> dy;
};

// Operand `which` after the kernel ran on operands that start at what is given, zero beyond.
std::vector<double> result_of(const std::string& text,
                              std::size_t which,
                              ReferenceOperands operands,
                              const KernelScalars& scalars = {}) {
  run_reference(key_of(text), scalars, operands);
  return operands[which];
}

void expect_agreement(const std::vector<double>& gradient, const std::vector<double>& slopes) {
  ASSERT_EQ(gradient.size(), slopes.size());
  EXPECT_LT(relative_error(gradient, slopes), agreement);
}

std::vector<double> column_sums(const std::vector<double>& rows, std::size_t columns) {
  std::vector<double> sums(columns, 0.0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    sums[i % columns] += rows[i];
  }
  return sums;
}

TEST(ReferenceGradient, OfAProductIsTwoProducts) {
  const Forward y("gemm fp32 m=3 n=4 k=5 nt", 2);
  expect_agreement(result_of("gemm fp32 m=3 n=5 k=4 nn", 2, {y.dy, y.inputs[1]}), y.slopes(0));
  expect_agreement(result_of("gemm fp32 m=4 n=5 k=3 tn", 2, {y.dy, y.inputs[0]}), y.slopes(1));
}

TEST(ReferenceGradient, OfTheExpertsProductsIsTwoOfTheirKind) {
  const std::string shape = "grouped_gemm fp32 groups=4 rows=7 largest=5 n=3 k=2 ";
  const Forward y(shape + "nt", 3);
  const auto& ends = y.inputs[2];
  expect_agreement(result_of(shape + "nn", 3, {y.dy, y.inputs[1], ends}), y.slopes(0));
  expect_agreement(result_of(shape + "tn", 3, {y.dy, y.inputs[0], ends}), y.slopes(1));
}

TEST(ReferenceGradient, OfLookUpsIsAScatteredSum) {
  const std::string shape = " fp32 tokens=8 batch=2 columns=3 table_rows=5";
  const Forward y("embedding_forward" + shape, 2);
  expect_agreement(result_of("embedding_backward" + shape, 2, {y.inputs[0], y.dy}), y.slopes(1));
  const Forward x("position_forward" + shape, 1);
  expect_agreement(result_of("position_backward" + shape, 1, {x.dy}), x.slopes(0));
}

TEST(ReferenceGradient, OfABiasIsAColumnSum) {
  const Forward y("bias_forward fp32 rows=4 columns=3", 1);
  expect_agreement(result_of("bias_backward fp32 rows=4 columns=3", 1, {y.dy}), y.slopes(0));
}

TEST(ReferenceGradient, OfRopeIsItsInverse) {
  for (const std::string rotary : {"", " rotary_size=2"}) {
    const std::string shape = " fp32 tokens=6 batch=2 heads=2 kv_heads=1 head_size=4" + rotary;
    const Forward y("rope_forward" + shape, 0);
    expect_agreement(result_of("rope_backward" + shape, 0, {y.dy}), y.slopes(0));
  }
}

TEST(ReferenceGradient, OfRoutingReachesTheChosenOnly) {
  const std::string shape = " fp32 tokens=5 experts=6 top_k=3";
  const Forward y("router_forward" + shape, 1);
  const ReferenceOperands all = y.results();
  expect_agreement(result_of("router_backward" + shape, 3, {all[2], all[1], y.dy}), y.slopes(0));
}

TEST(ReferenceGradient, OfPermutedRowsIsPermutedBack) {
  const std::string shape = " fp32 tokens=4 top_k=2 columns=3";
  const Forward y("permute_forward" + shape, 2);
  const auto& row_of = y.inputs[1];
  expect_agreement(result_of("permute_backward" + shape, 2, {y.dy, row_of}), y.slopes(0));
  const Forward out("unpermute_forward" + shape, 3);
  const ReferenceOperands given = {out.inputs[0], out.inputs[1], out.inputs[2], out.dy};
  expect_agreement(result_of("unpermute_backward" + shape, 4, given), out.slopes(0));
  expect_agreement(result_of("unpermute_backward" + shape, 5, given), out.slopes(2));
}

// Groups of query heads, several sequences; causal softmax with a window.
const std::string attention = " fp32 batch=2 length=4 heads=4 kv_heads=2 head_size=3 causal";

TEST(ReferenceGradient, OfStoredScoresReachesQueriesAndKeys) {
  const Forward scores("scores_forward" + attention, 1);
  const std::vector<double> no_values(2 * 4 * 2 * 3, 0.0);
  expect_agreement(
      result_of("scores_backward" + attention, 3, {scores.dy, scores.inputs[0], no_values}),
      scores.slopes(0));
}

TEST(ReferenceGradient, OfStoredSoftmaxAgreesWithDifferences) {
  for (const std::string window : {"", " window=2"}) {
    const Forward p("softmax_forward" + attention + window, 1);
    expect_agreement(result_of("softmax_backward" + attention + window, 2, {p.results()[1], p.dy}),
                     p.slopes(0));
  }
}

TEST(ReferenceGradient, OfTheContextReachesProbabilitiesAndValues) {
  const Forward out("context_forward" + attention, 2);
  const ReferenceOperands given = {out.inputs[0], out.inputs[1], out.dy};
  expect_agreement(result_of("context_backward" + attention, 3, given), out.slopes(0));
  // The values are the last two of eight heads of three in a packed row.
  const std::vector<double> packed = out.slopes(1);
  std::vector<double> values;
  for (std::size_t i = 0; i < packed.size(); ++i) {
    if (i % 24 >= 18) {
      values.push_back(packed[i]);
    } else {
      EXPECT_EQ(packed[i], 0.0);
    }
  }
  expect_agreement(result_of("context_backward" + attention, 4, given), values);
}

TEST(ReferenceGradient, OfDropoutUsesItsMask) {
  const std::string shape = " fp32 rows=5 columns=7";
  const KernelScalars scalars{.keep = 0.6, .dropout_seed = 7};
  const Forward y("dropout_forward" + shape, 1, scalars);
  const std::vector<double> mask = y.results()[2];
  expect_agreement(result_of("dropout_backward" + shape, 2, {y.dy, mask}, scalars), y.slopes(0));
  const Forward sum("bias_dropout_add_forward" + shape, 3, scalars);
  const std::vector<double> dx =
      result_of("dropout_backward" + shape, 2, {sum.dy, sum.results()[4]}, scalars);
  expect_agreement(dx, sum.slopes(0));
  expect_agreement(column_sums(dx, 7), sum.slopes(1));
  expect_agreement(sum.dy, sum.slopes(2));
}

TEST(ReferenceGradient, OfGeluBehindABiasAgreesWithDifferences) {
  const std::string shape = " fp32 rows=5 columns=3";
  const Forward y("bias_gelu_forward" + shape, 2);
  const std::vector<double> du =
      result_of("bias_gelu_backward" + shape, 3, {y.inputs[0], y.inputs[1], y.dy});
  expect_agreement(du, y.slopes(0));
  expect_agreement(column_sums(du, 3), y.slopes(1));
}

}  // namespace
}  // namespace forerun
