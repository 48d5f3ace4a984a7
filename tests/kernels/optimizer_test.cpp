// AdamW over several steps, against the published formula.
#include <gtest/gtest.h>

#include "kernels/host/host_device.hpp"
#include "tests/kernels/kernel_check.hpp"

namespace forerun {
namespace {

TEST(HostAdamW, FirstStepMovesByTheLearningRate) {
  // m_hat = g, v_hat = g^2: w - lr g / |g| - lr wd w = 2 - 0.01 - 0.01 * 0.1 * 2 = 1.988.
  host::HostDevice device{DeviceChoice{}};
  const KernelScalars scalars{
      .adamw = {.learning_rate = 0.01, .epsilon = 0.0, .weight_decay = 0.1, .step = 1}};
  const ReferenceOperands operands = {{0.5}, {2.0}, {0.0}, {0.0}};
  const auto results = run_on(device, key_of("adamw fp32 elements=1"), scalars, operands);
  EXPECT_FLOAT_EQ(static_cast<float>(results[1][0]), 1.988F);
}

TEST(HostAdamW, FollowsTheFormulaForThreeSteps) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = key_of("adamw bf16 elements=1000");
  KernelScalars scalars{.adamw = {.learning_rate = 0.02, .beta1 = 0.8, .beta2 = 0.9}};
  ReferenceOperands actual = random_operands(key);
  actual[2].assign(1000, 0.0);
  actual[3].assign(1000, 0.0);
  ReferenceOperands expected = actual;
  for (std::int64_t step = 1; step <= 3; ++step) {
    scalars.adamw.step = step;
    const auto gradient = random_operands(key, {}, static_cast<unsigned>(10 + step))[0];
    actual[0] = gradient;
    expected[0] = gradient;
    actual = run_on(device, key, scalars, actual);
    run_reference(key, scalars, expected);
  }
  EXPECT_LT(relative_error(actual[1], expected[1]), 1e-6);
  EXPECT_LT(relative_error(actual[4], expected[4]), tolerance(DataType::bf16));
}

TEST(HostAdamW, LeavesTheMasterWeightAndItsCopyEqualUpToRounding) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = key_of("adamw bf16 elements=100");
  const auto results = run_on(device, key, {}, random_operands(key));
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(results[4][i], stored(results[1][i], DataType::bf16));
  }
}

}  // namespace
}  // namespace forerun
