// The reference's backward kernels against central differences of its forward ones, so that the
// devices are compared with derivatives that are right.
#include "tests/kernels/reference.hpp"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "tests/kernels/kernel_check.hpp"

namespace forerun {
namespace {

// L = sum(output * dy) of a forward kernel, whose gradient backward promises.
struct Loss {
  KernelKey forward;
  std::size_t output = 0;
  std::vector<double> dy;

  [[nodiscard]] double operator()(ReferenceOperands operands) const {
    run_reference(forward, {}, operands);
    double sum = 0.0;
    for (std::size_t i = 0; i < dy.size(); ++i) {
      sum += operands[output][i] * dy[i];
    }
    return sum;
  }
};

// Central differences with step h are off by h^2 / 6 times a third derivative and by rounding
// 1e-16 / h: both near 1e-10 for h = 1e-5.
std::vector<double> differences(const Loss& loss, ReferenceOperands operands, std::size_t input) {
  constexpr double h = 1e-5;
  std::vector<double> slopes;
  for (double& value : operands[input]) {
    const double kept = value;
    value = kept + h;
    const double above = loss(operands);
    value = kept - h;
    const double below = loss(operands);
    value = kept;
    slopes.push_back((above - below) / (2.0 * h));
  }
  return slopes;
}

std::vector<double> zeros_like(const std::vector<double>& values) {
  return std::vector<double>(values.size(), 0.0);
}

constexpr double agreement = 1e-7;

void expect_attention_gradient(const std::string& shape) {
  const KernelKey forward = key_of("attention_forward fp32 " + shape);
  const KernelKey backward = key_of("attention_backward fp32 " + shape);
  ReferenceOperands operands = random_operands(backward);
  const Loss loss{forward, 1, operands[3]};
  ReferenceOperands inputs = {operands[0]};
  run_reference(forward, {}, inputs);
  operands[1] = inputs[1];  // unrounded
  operands[2] = inputs[2];
  run_reference(backward, {}, operands);
  EXPECT_LT(relative_error(operands[4], differences(loss, inputs, 0)), agreement);
}

TEST(ReferenceAttention, CausalGradientAgreesWithDifferences) {
  expect_attention_gradient("batch=2 length=5 heads=2 kv_heads=2 head_size=3 causal");
}

TEST(ReferenceAttention, FullGradientAgreesWithDifferences) {
  expect_attention_gradient("batch=1 length=6 heads=1 kv_heads=1 head_size=4 full");
}

TEST(ReferenceAttention, GroupedGradientAgreesWithDifferences) {
  expect_attention_gradient("batch=1 length=4 heads=4 kv_heads=2 head_size=2 causal");
}

// Of each of the separate operands q, k, v.
TEST(ReferenceAttention, GradientOfAChunkAgreesWithDifferences) {
  for (const char* shape :
       {"batch=1 length=4 heads=2 kv_heads=1 head_size=3 causal keys=6 offset=2 value_size=2",
        "batch=1 length=5 heads=2 kv_heads=2 head_size=2 causal keys=5 offset=-2",
        "batch=2 length=4 heads=1 kv_heads=1 head_size=3 causal keys=7 offset=3 window=3"}) {
    const KernelKey backward = key_of(std::string("attention_backward fp32 ") + shape);
    const KernelKey forward = key_of(std::string("attention_forward fp32 ") + shape);
    ReferenceOperands operands = random_operands(backward);
    const Loss loss{forward, 3, operands[5]};
    ReferenceOperands inputs = {operands[0], operands[1], operands[2]};
    run_reference(forward, {}, inputs);
    operands[3] = inputs[3];
    operands[4] = inputs[4];
    run_reference(backward, {}, operands);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_LT(relative_error(operands[6 + i], differences(loss, inputs, i)), agreement) << shape;
    }
  }
}

TEST(ReferenceAttention, OfEqualScoresIsTheMeanOfTheValues) {
  // Queries are zero, so every score is zero: out = mean of the values seen so far.
  const KernelKey key =
      key_of("attention_forward fp32 batch=1 length=2 heads=1 kv_heads=1 head_size=1 causal");
  ReferenceOperands operands = {{0.0, 7.0, 3.0, 0.0, -2.0, 5.0}};
  run_reference(key, {}, operands);
  EXPECT_DOUBLE_EQ(operands[1][0], 3.0);
  EXPECT_DOUBLE_EQ(operands[1][1], 4.0);
  EXPECT_DOUBLE_EQ(operands[2][1], std::log(2.0));
}

TEST(ReferenceRmsNorm, GradientAgreesWithDifferences) {
  const KernelKey forward = key_of("rms_norm_forward fp32 rows=3 columns=5");
  ReferenceOperands inputs = random_operands(forward);
  const Loss loss{forward, 2, random_operands(forward, {}, 2)[2]};
  run_reference(forward, {}, inputs);
  ReferenceOperands operands = {
      inputs[0], inputs[1], inputs[3], loss.dy, {}, zeros_like(inputs[1])};
  run_reference(key_of("rms_norm_backward fp32 rows=3 columns=5"), {}, operands);
  EXPECT_LT(relative_error(operands[4], differences(loss, inputs, 0)), agreement);
  EXPECT_LT(relative_error(operands[5], differences(loss, inputs, 1)), agreement);
}

// What reaches the sum past the norm is added to what comes through it; x and the residual get
// both.
TEST(ReferenceNormBehindASum, GradientAgreesWithDifferences) {
  for (const std::string norm : {"rms", "layer"}) {
    const bool is_layer = norm == "layer";
    const std::string name = "add_" + norm + "_norm_";
    const KernelKey forward = key_of(name + "forward fp32 rows=3 columns=5");
    ReferenceOperands inputs = random_operands(forward);
    const std::size_t y = is_layer ? 5 : 4;
    const Loss loss{forward, y, random_operands(forward, {}, 2)[y]};
    run_reference(forward, {}, inputs);
    const std::vector<double>& sum = inputs[y - 1];
    const std::vector<double> nothing_past_it = zeros_like(sum);
    ReferenceOperands operands = {sum, inputs[2], inputs[y + 1], loss.dy, nothing_past_it};
    operands.resize(is_layer ? 8 : 7);
    operands[6] = zeros_like(inputs[2]);
    if (is_layer) {
      operands[7] = zeros_like(inputs[2]);
    }
    const KernelKey backward = key_of(name + "backward fp32 rows=3 columns=5");
    run_reference(backward, {}, operands);
    EXPECT_LT(relative_error(operands[5], differences(loss, inputs, 0)), agreement);
    EXPECT_LT(relative_error(operands[5], differences(loss, inputs, 1)), agreement);
    EXPECT_LT(relative_error(operands[6], differences(loss, inputs, 2)), agreement);
    const std::vector<double> through_it = operands[5];
    operands[4] = loss.dy;
    run_reference(backward, {}, operands);
    for (std::size_t i = 0; i < through_it.size(); ++i) {
      EXPECT_DOUBLE_EQ(operands[5][i], through_it[i] + loss.dy[i]);
    }
  }
}

TEST(ReferenceLayerNorm, GradientAgreesWithDifferences) {
  const KernelKey forward = key_of("layer_norm_forward fp32 rows=3 columns=5");
  ReferenceOperands inputs = random_operands(forward);
  const Loss loss{forward, 3, random_operands(forward, {}, 2)[3]};
  run_reference(forward, {}, inputs);
  ReferenceOperands operands = {
      inputs[0], inputs[1], inputs[4], loss.dy, {}, zeros_like(inputs[1]), zeros_like(inputs[2])};
  run_reference(key_of("layer_norm_backward fp32 rows=3 columns=5"), {}, operands);
  EXPECT_LT(relative_error(operands[4], differences(loss, inputs, 0)), agreement);
  EXPECT_LT(relative_error(operands[5], differences(loss, inputs, 1)), agreement);
  EXPECT_LT(relative_error(operands[6], differences(loss, inputs, 2)), agreement);
}

TEST(ReferenceQkNorm, GradientAgreesWithDifferences) {
  const std::string shape = " fp32 tokens=3 batch=1 heads=2 kv_heads=1 head_size=4";
  const KernelKey forward = key_of("qk_norm_forward" + shape);
  ReferenceOperands inputs = random_operands(forward);
  const Loss loss{forward, 3, random_operands(forward, {}, 2)[3]};
  run_reference(forward, {}, inputs);
  ReferenceOperands operands = {inputs[0],
                                inputs[1],
                                inputs[2],
                                inputs[4],
                                loss.dy,
                                zeros_like(inputs[1]),
                                zeros_like(inputs[2])};
  run_reference(key_of("qk_norm_backward" + shape), {}, operands);
  EXPECT_LT(relative_error(operands[4], differences(loss, inputs, 0)), agreement);
  EXPECT_LT(relative_error(operands[5], differences(loss, inputs, 1)), agreement);
  EXPECT_LT(relative_error(operands[6], differences(loss, inputs, 2)), agreement);
}

void expect_activation_gradient(const std::string& name) {
  const std::string shape = " fp32 rows=2 columns=7";
  const KernelKey forward = key_of(name + "_forward" + shape);
  ReferenceOperands inputs = random_operands(forward);
  const Loss loss{forward, 1, random_operands(forward, {}, 2)[1]};
  ReferenceOperands operands = {inputs[0], loss.dy};
  run_reference(key_of(name + "_backward" + shape), {}, operands);
  EXPECT_LT(relative_error(operands[2], differences(loss, inputs, 0)), agreement);
}

TEST(ReferenceSwiglu, GradientAgreesWithDifferences) {
  expect_activation_gradient("swiglu");
}

TEST(ReferenceGelu, GradientAgreesWithDifferences) {
  expect_activation_gradient("gelu");
}

TEST(ReferenceRope, BackwardUndoesForward) {
  const std::string shape = " fp32 tokens=8 batch=2 heads=2 kv_heads=1 head_size=6";
  ReferenceOperands operands = random_operands(key_of("rope_forward" + shape));
  const std::vector<double> before = operands[0];
  run_reference(key_of("rope_forward" + shape), {}, operands);
  EXPECT_GT(relative_error(operands[0], before), 0.1);
  run_reference(key_of("rope_backward" + shape), {}, operands);
  EXPECT_LT(relative_error(operands[0], before), 1e-14);
}

// The loss of one row from its logits, by the three passes.
double cross_entropy(const std::vector<double>& logits, double target) {
  const std::string shape = " fp32 rows=1 columns=" + std::to_string(logits.size());
  ReferenceOperands largest = {logits};
  run_reference(key_of("cross_entropy_max" + shape), {}, largest);
  ReferenceOperands sums = {logits, largest[1], {target}};
  run_reference(key_of("cross_entropy_sum" + shape), {}, sums);
  ReferenceOperands gradient = {logits, largest[1], sums[3], {target}};
  run_reference(key_of("cross_entropy_gradient" + shape), {}, gradient);
  return gradient[4][0];
}

TEST(ReferenceCrossEntropy, OfEqualLogitsIsTheLogarithmOfTheirCount) {
  EXPECT_DOUBLE_EQ(cross_entropy({2.0, 2.0, 2.0, 2.0, 2.0}, 3.0), std::log(5.0));
}

TEST(ReferenceCrossEntropy, GradientAgreesWithDifferences) {
  const KernelKey key = key_of("cross_entropy_gradient fp32 rows=1 columns=6");
  ReferenceOperands operands = random_operands(key);
  operands[3] = {4.0};
  std::vector<double> logits = operands[0];
  std::vector<double> slopes;
  for (double& logit : logits) {
    constexpr double h = 1e-5;
    const double kept = logit;
    logit = kept + h;
    const double above = cross_entropy(logits, 4.0);
    logit = kept - h;
    slopes.push_back((above - cross_entropy(logits, 4.0)) / (2.0 * h));
    logit = kept;
  }
  // `random_operands` rounds the saved sums to fp32, 6e-8.
  run_reference(key, {}, operands);
  EXPECT_LT(relative_error(operands[0], slopes), 1e-6);
}

struct GradientOf {
  std::size_t input = 0;     ///< operand of the forward kernel and of the backward one
  std::size_t gradient = 0;  ///< operand of the backward kernel
};

// Kernels whose backward form takes the forward inputs, then dy, then the gradients in their order.
void expect_scan_gradient(const std::string& name,
                          const std::string& shape,
                          std::size_t inputs,
                          const std::vector<GradientOf>& gradients) {
  const KernelKey forward = key_of(name + "_forward fp32 " + shape);
  const KernelKey backward = key_of(name + "_backward fp32 " + shape);
  ReferenceOperands operands = random_operands(backward);
  const Loss loss{forward, inputs, operands[inputs]};
  const ReferenceOperands given(operands.begin(),
                                operands.begin() + static_cast<std::ptrdiff_t>(inputs));
  for (std::size_t i = inputs + 1; i < operands.size(); ++i) {
    operands[i] = zeros_like(operands[i]);
  }
  run_reference(backward, {}, operands);
  for (const auto& [input, gradient] : gradients) {
    EXPECT_LT(relative_error(operands[gradient], differences(loss, given, input)), agreement)
        << text_of(backward) << " of input " << input;
  }
}

TEST(ReferenceScans, GradientsAgreeWithDifferences) {
  expect_scan_gradient(
      "conv1d", "batch=2 length=5 channels=3 width=4", 3, {{0, 4}, {1, 5}, {2, 6}});
  expect_scan_gradient("ssd",
                       "batch=2 length=4 heads=2 head_size=2 groups=1 state=3 chunk=2",
                       7,
                       {{0, 8}, {1, 9}, {2, 10}, {3, 11}, {4, 12}, {5, 13}, {6, 14}});
  expect_scan_gradient("selective_scan",
                       "batch=2 length=4 channels=3 state=2",
                       8,
                       {{0, 9}, {1, 10}, {2, 11}, {3, 12}, {4, 13}, {5, 14}, {6, 15}, {7, 16}});
}

// With dt = log 2 (raw dt and bias 0), A = -1 and one state: S = S / 2 + log 2 x B.
TEST(ReferenceScans, FollowTheRecurrenceByHand) {
  ReferenceOperands operands = {
      {1.0, 3.0}, {0.0, 0.0}, {2.0, 1.0}, {1.0, 4.0}, {0.0}, {0.0}, {10.0}};
  run_reference(
      key_of("ssd_forward fp32 batch=1 length=2 heads=1 head_size=1 groups=1 state=1 chunk=2"),
      {},
      operands);
  const double ln2 = std::log(2.0);
  EXPECT_NEAR(operands[7][0], 2.0 * ln2 + 10.0, 1e-12);
  EXPECT_NEAR(operands[7][1], 4.0 * (ln2 + 3.0 * ln2) + 30.0, 1e-12);
}

}  // namespace
}  // namespace forerun
