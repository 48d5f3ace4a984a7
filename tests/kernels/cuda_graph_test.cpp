// What can be said of the CUDA backend without a GPU: cuDNN accepts the graphs, errors are clear.
#include <stdexcept>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cuda/attention_graph.hpp"
#include "kernels/cuda/check.hpp"
#include "kernels/cuda/column_sums.hpp"
#include "kernels/cuda/cuda_device.hpp"
#include "kernels/cuda/dnn_plan.hpp"

namespace forerun::cuda {
namespace {

constexpr AttentionKeyShape multi_head{1, 1024, 12, 12, 64, Mask::causal};
constexpr AttentionKeyShape grouped{2, 4096, 32, 8, 128, Mask::causal};
constexpr AttentionKeyShape unmasked{3, 200, 4, 2, 96, Mask::full};

class AttentionGraph : public testing::TestWithParam<AttentionKeyShape> {};

// Finalizing checks every tensor and operation against each other; it needs no GPU.
TEST_P(AttentionGraph, ForwardIsAcceptedByCudnn) {
  EXPECT_NE(attention_forward_graph(GetParam()).descriptor().raw(), nullptr);
}

TEST_P(AttentionGraph, BackwardIsAcceptedByCudnn) {
  EXPECT_NE(attention_backward_graph(GetParam()).descriptor().raw(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionGraph, testing::Values(multi_head, grouped, unmasked));

TEST(AttentionGraphError, NamesTheCallThatCudnnRejects) {
  const AttentionKeyShape uneven{1, 64, 3, 2, 64, Mask::causal};
  try {
    static_cast<void>(attention_forward_graph(uneven));
    FAIL() << "cuDNN accepted three query heads over two key heads";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("cudnnBackendFinalize"));
    EXPECT_THAT(error.what(), testing::HasSubstr("CUDNN_STATUS_BAD_PARAM"));
  }
}

TEST(DnnTensorShape, TransposedSwapsTheLastTwoAxes) {
  const DnnTensorShape shape = transposed(packed({2, 3, 5, 7}));
  EXPECT_EQ(shape.sizes, (Dims{2, 3, 7, 5}));
  EXPECT_EQ(shape.strides, (Dims{105, 35, 1, 7}));
}

TEST(DeviceProperties, RejectAnIncompleteJson) {
  EXPECT_THROW(static_cast<void>(device_properties(std::string("{\"deviceVer\":900}"))),
               std::runtime_error);
}

TEST(CudaCheck, ThrowsWithCallCodeFileAndLine) {
  try {
    require(cudaErrorInvalidValue, CallSite{"cudaMalloc(x)", "here.cpp", 7});
    FAIL() << "an error code passed";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(),
                 "here.cpp:7: cudaMalloc(x): cudaErrorInvalidValue: invalid argument");
  }
}

// 32 columns make one column block; 4096 rows allow 4096 / 64 = 64 chunks of 32 floats.
TEST(ColumnSums, ScratchHoldsOneRowAChunk) {
  EXPECT_EQ(column_sum_scratch_bytes(1, 4096, 32), 64U * 32U * 4U);
}

// 65536 columns are 2048 blocks, more than are wanted: one chunk.
TEST(ColumnSums, WideMatricesTakeOneChunk) {
  EXPECT_EQ(column_sum_scratch_bytes(2, 4096, 65536), 2U * 65536U * 4U);
}

TEST(CudaDevice, SaysThatThereIsNoGpu) {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess && count > 0) {
    GTEST_SKIP() << "there is a GPU";
  }
  try {
    const CudaDevice device{DeviceChoice{}};
    FAIL() << "a device without a GPU";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("no GPU can be used on this node: "));
  }
}

}  // namespace
}  // namespace forerun::cuda
