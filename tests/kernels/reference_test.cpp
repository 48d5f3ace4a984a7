// The reference's backward kernels against central differences of its forward ones, so that the
// devices are compared with derivatives that are right.
#include "tests/kernels/reference.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "tests/kernels/differences.hpp"
#include "tests/kernels/kernel_check.hpp"

namespace forerun {
namespace {

void expect_attention_gradient(const std::string& shape, const KernelScalars& scalars = {}) {
  const KernelKey forward = key_of("attention_forward fp32 " + shape);
  const KernelKey backward = key_of("attention_backward fp32 " + shape);
  ReferenceOperands operands = random_operands(backward);
  const Loss loss{forward, 1, operands[3], scalars};
  ReferenceOperands inputs = {operands[0]};
  run_reference(forward, scalars, inputs);
  operands[1] = inputs[1];  // unrounded
  operands[2] = inputs[2];
  run_reference(backward, scalars, operands);
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

// Scores of about 1 under a cap of 50 would hardly bend: the loss of these is steep.
TEST(ReferenceAttention, GradientOfChangedScoresAgreesWithDifferences) {
  expect_attention_gradient("batch=2 length=5 heads=3 kv_heads=1 head_size=3 causal alibi");
  expect_attention_gradient(
      "batch=1 length=5 heads=2 kv_heads=2 head_size=3 causal window=3 capped", {.softcap = 0.7});
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

TEST(ReferenceLayerNorm, GradientWithoutBiasAgreesWithDifferences) {
  const KernelKey forward = key_of("layer_norm_nobias_forward fp32 rows=3 columns=5");
  ReferenceOperands inputs = random_operands(forward);
  const Loss loss{forward, 2, random_operands(forward, {}, 2)[2]};
  run_reference(forward, {}, inputs);
  ReferenceOperands operands = {
      inputs[0], inputs[1], inputs[3], loss.dy, {}, zeros_like(inputs[1])};
  run_reference(key_of("layer_norm_nobias_backward fp32 rows=3 columns=5"), {}, operands);
  EXPECT_LT(relative_error(operands[4], differences(loss, inputs, 0)), agreement);
  EXPECT_LT(relative_error(operands[5], differences(loss, inputs, 1)), agreement);
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

void expect_activation_gradient(const std::string& name, const KernelScalars& scalars = {}) {
  const std::string shape = " fp32 rows=2 columns=7";
  const KernelKey forward = key_of(name + "_forward" + shape);
  ReferenceOperands inputs = random_operands(forward);
  const Loss loss{forward, 1, random_operands(forward, {}, 2)[1], scalars};
  ReferenceOperands operands = {inputs[0], loss.dy};
  run_reference(key_of(name + "_backward" + shape), scalars, operands);
  EXPECT_LT(relative_error(operands[2], differences(loss, inputs, 0)), agreement);
}

TEST(ReferenceSwiglu, GradientAgreesWithDifferences) {
  expect_activation_gradient("swiglu");
}

TEST(ReferenceGelu, GradientAgreesWithDifferences) {
  expect_activation_gradient("gelu");
  expect_activation_gradient("geglu");
}

TEST(ReferenceRelu, GradientAgreesWithDifferences) {
  expect_activation_gradient("relu");
  expect_activation_gradient("relu_squared");
}

TEST(ReferenceSoftcap, GradientAgreesWithDifferences) {
  expect_activation_gradient("softcap", {.softcap = 1.5});
}

TEST(ReferenceRope, LeavesWhatLiesBeyondTheRotarySize) {
  const std::string shape = " fp32 tokens=8 batch=2 heads=2 kv_heads=1 head_size=6";
  ReferenceOperands partial = random_operands(key_of("rope_forward" + shape));
  const std::vector<double> before = partial[0];
  run_reference(key_of("rope_forward" + shape + " rotary_size=2"), {}, partial);
  // The last token, its second query head: elements 0 and 1 turn by its position 3, the rest stay.
  const std::size_t head = 7 * 24 + 6;
  EXPECT_DOUBLE_EQ(partial[0][head],
                   before[head] * std::cos(3.0) - before[head + 1] * std::sin(3.0));
  for (std::size_t i = 2; i < 6; ++i) {
    EXPECT_EQ(partial[0][head + i], before[head + i]);
  }
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

TEST(ReferenceGates, GradientsAgreeWithDifferences) {
  expect_scan_gradient("row_gate", "rows=3 columns=4", 2, {{0, 3}, {1, 4}});
  expect_scan_gradient("sigmoid_gate", "rows=3 columns=4", 2, {{0, 3}, {1, 4}});
}

// Operand 3 of the backward kernel is what the forward one leaves in its last.
TEST(ReferenceGatedNorm, GradientAgreesWithDifferences) {
  const std::string shape = "fp32 rows=3 columns=6 groups=2";
  const KernelKey forward = key_of("gated_norm_forward " + shape);
  ReferenceOperands operands = random_operands(key_of("gated_norm_backward " + shape));
  const Loss loss{forward, 3, operands[4]};
  const ReferenceOperands given(operands.begin(), operands.begin() + 3);
  ReferenceOperands saved = given;
  run_reference(forward, {}, saved);
  operands[3] = saved[4];  // unrounded
  for (std::size_t i = 5; i < operands.size(); ++i) {
    operands[i] = zeros_like(operands[i]);
  }
  run_reference(key_of("gated_norm_backward " + shape), {}, operands);
  EXPECT_LT(relative_error(operands[5], differences(loss, given, 0)), agreement);
  EXPECT_LT(relative_error(operands[6], differences(loss, given, 1)), agreement);
  EXPECT_LT(relative_error(operands[7], differences(loss, given, 2)), agreement);
}

// Keys and values both depend on kv; the shared key on every head.
TEST(ReferenceLatentHeads, GradientsAgreeWithDifferences) {
  const std::string shape = "fp32 tokens=4 batch=2 heads=2 nope_size=3 rope_size=2 value_size=3";
  const KernelKey forward = key_of("latent_keys_forward " + shape);
  const ReferenceOperands inputs = random_operands(forward);
  const ReferenceOperands given(inputs.begin(), inputs.begin() + 2);
  const ReferenceOperands arriving = random_operands(forward, {}, 2);
  ReferenceOperands back{arriving[2], arriving[3]};
  run_reference(key_of("latent_keys_backward " + shape), {}, back);
  std::vector<double> own(inputs[0].size(), 0.0);
  std::vector<double> shared(inputs[1].size(), 0.0);
  for (const std::size_t output : {std::size_t{2}, std::size_t{3}}) {
    const Loss loss{forward, output, arriving[output]};
    const auto by_own = differences(loss, given, 0);
    const auto by_shared = differences(loss, given, 1);
    std::transform(own.begin(), own.end(), by_own.begin(), own.begin(), std::plus<>());
    std::transform(shared.begin(), shared.end(), by_shared.begin(), shared.begin(), std::plus<>());
  }
  EXPECT_LT(relative_error(back[2], own), agreement);
  EXPECT_LT(relative_error(back[3], shared), agreement);
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
