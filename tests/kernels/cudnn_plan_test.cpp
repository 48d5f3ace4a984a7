// cuDNN compiles the attention graphs for GPUs that are not here: its engines accept the graphs and
// make their kernels; only loading them onto a GPU fails, with the driver's stub library in place
// of a driver.
#include <stdexcept>
#include <string>
#include <variant>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cuda/attention.hpp"
#include "kernels/cuda/attention_graph.hpp"
#include "kernels/cuda/dnn_plan.hpp"
#include "tests/kernels/kernel_check.hpp"

namespace forerun::cuda {
namespace {

// Sizes of the datasheets, limits of the CUDA C++ Programming Guide's technical specifications.
struct Gpu {
  const char* name;
  int version;
  int multiprocessors;
  int shared_bytes;
  std::int64_t cache_bytes;
  std::int64_t memory_bytes;
};

constexpr Gpu a100{"NVIDIA A100-SXM4-80GB", 800, 108, 166912, 41943040, 85899345920};
constexpr Gpu h100{"NVIDIA H100 80GB HBM3", 900, 132, 232448, 52428800, 85899345920};
constexpr Gpu b200{"NVIDIA B200", 1000, 148, 232448, 132120576, 193273528320};

std::string json_of(const Gpu& gpu) {
  return fmt::format(
      R"({{"deviceVer":{},"deviceId":0,"cudaDeviceId":0,"pciDeviceId":0,"driverVer":13000,)"
      R"("maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],)"
      R"("regsPerBlock":65536,"multiProcessorCount":{},"warpSize":32,)"
      R"("maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":{},)"
      R"("reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,)"
      R"("maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"isTccDriver":0,"supportCoopLaunch":1,)"
      R"("smClockRateKHz":1500000,"memClockRateKHz":2000000,"l2CacheSize":{},)"
      R"("totalGlobalMem":{},"deviceName":"{}"}})",
      gpu.version,
      gpu.multiprocessors,
      gpu.shared_bytes,
      gpu.cache_bytes,
      gpu.memory_bytes,
      gpu.name);
}

struct Case {
  Gpu gpu;
  const char* sizes;
};

class CudnnPlan : public testing::TestWithParam<Case> {
 protected:
  void expect_compiles(const std::string& op) const {
    const auto& [gpu, sizes] = GetParam();
    const KernelKey key = key_of(op + " bf16 " + sizes);
    const auto& shape = std::get<AttentionKeyShape>(key.shape);
    ASSERT_EQ(fused_attention_refusal(key.op, shape, {gpu.version / 100, cudnnGetVersion()}),
              std::nullopt);
    DnnGraph graph = key.op == KernelOp::attention_forward ? attention_forward_graph(shape)
                                                           : attention_backward_graph(shape);
    try {
      const DnnPlan plan(std::move(graph), device_properties(json_of(gpu)));
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("cuLibraryLoadData")) << text_of(key);
    }
  }
};

TEST_P(CudnnPlan, ForwardCompiles) {
  expect_compiles("attention_forward");
}

TEST_P(CudnnPlan, BackwardCompiles) {
  expect_compiles("attention_backward");
}

// Packed groups; MLA's heads; a window; chunks that end or begin together; a window in a chunk; a
// ragged rectangle.
INSTANTIATE_TEST_SUITE_P(
    Shapes,
    CudnnPlan,
    testing::Values(
        Case{h100, "batch=2 length=1024 heads=8 kv_heads=4 head_size=128 causal"},
        Case{h100, "batch=1 length=512 heads=4 kv_heads=4 head_size=192 causal value_size=128"},
        Case{h100, "batch=1 length=512 heads=4 kv_heads=2 head_size=128 causal window=128"},
        Case{h100,
             "batch=1 length=256 heads=4 kv_heads=2 head_size=128 causal keys=512 offset=256"},
        Case{h100,
             "batch=1 length=256 heads=4 kv_heads=2 head_size=128 causal keys=512 offset=256 "
             "window=300"},
        Case{h100, "batch=1 length=257 heads=4 kv_heads=2 head_size=64 full keys=500"},
        Case{a100, "batch=2 length=1024 heads=8 kv_heads=4 head_size=128 causal"},
        Case{b200, "batch=2 length=1024 heads=8 kv_heads=4 head_size=128 causal"}));

// Without this the tests above could fail for every graph and still pass.
TEST(CudnnPlanWithoutAnEngine, IsRefusedBeforeItIsCompiled) {
  DnnGraph graph;
  const DnnTensorShape shape = packed({1, 1, 8, 8});
  const DnnDescriptor& x = graph.tensor(1, shape, CUDNN_DATA_INT32);
  graph.pointwise({.mode = CUDNN_POINTWISE_ERF, .a = x},
                  graph.tensor(2, shape, CUDNN_DATA_BOOLEAN));
  try {
    graph.finish();
    const DnnPlan plan(std::move(graph), device_properties(json_of(h100)));
    ADD_FAILURE() << "cuDNN compiled an error function of integers into booleans";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("cuLibraryLoadData")));
  }
}

}  // namespace
}  // namespace forerun::cuda
