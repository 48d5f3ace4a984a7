// Decode steps on a device that keeps a list of what it runs.
#include "estimator/measure/decode_probe.hpp"

#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/serial/serial_communicator.hpp"
#include "tests/fake/faulty_device.hpp"

namespace forerun {
namespace {

KernelKey key(const std::string& text) {
  return *kernel_key_from(text);
}

const std::vector<std::string> step_keys = {
    "gemm fp32 m=1 n=8 k=4 nt",
    "latent_decode_attention fp32 batch=1 context=7 heads=2 kv_heads=1 head_size=6 value_size=4",
    "grouped_gemm fp32 groups=2 rows=2 largest=1 n=8 k=4 nt"};

DecodeStep step_of(std::int64_t context) {
  DecodeStep step{context, {}};
  for (const std::string& text : step_keys) {
    step.ops.emplace_back(key(text));
  }
  step.ops.emplace_back(CollectiveKey{Collective::all_to_all, 4, DataType::fp32, {1, 1}});
  return step;
}

// Two samples and the one before them, of each of two steps: every kernel in order, six times.
TEST(DecodeSteps, RunEveryKernelInOrder) {
  FaultyDevice device;
  std::vector<std::string> ran;
  device.before_run = [&](const KernelKey& run, std::span<void* const> /*operands*/) {
    ran.push_back(text_of(run));
  };
  SerialCommunicator world;
  const auto timings =
      time_decode_steps({step_of(7), step_of(7)}, {device, world, world, world}, 2);
  ASSERT_EQ(timings.size(), 2U);
  EXPECT_EQ(timings[0].timing.samples, 2);
  std::vector<std::string> expected;
  for (int i = 0; i < 6; ++i) {
    expected.insert(expected.end(), step_keys.begin(), step_keys.end());
  }
  EXPECT_EQ(ran, expected);
}

TEST(DecodeSteps, NameTheKernelThatTheDeviceRefuses) {
  FaultyDevice device;
  device.fault = [](const KernelKey& run) {
    return run.op == KernelOp::grouped_gemm ? FaultyDevice::Fault::refuses
                                            : FaultyDevice::Fault::none;
  };
  SerialCommunicator world;
  try {
    (void)time_decode_steps({step_of(7)}, {device, world, world, world}, 2);
    FAIL() << "a refused kernel was run";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(step_keys[2]));
    EXPECT_THAT(error.what(), testing::HasSubstr("is too hard"));
  }
}

}  // namespace
}  // namespace forerun
