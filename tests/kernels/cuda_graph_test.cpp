// What can be said of the CUDA backend without a GPU: cuDNN accepts the graphs, errors are clear.
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cuda/attention.hpp"
#include "kernels/cuda/attention_graph.hpp"
#include "kernels/cuda/check.hpp"
#include "kernels/cuda/column_sums.hpp"
#include "kernels/cuda/cuda_device.hpp"
#include "kernels/cuda/dnn_plan.hpp"
#include "kernels/cuda/gemm.hpp"

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

constexpr FusedAttentionPlace on_hopper{9, 91900};

AttentionKeyShape shape_of(const std::string& sizes) {
  return std::get<AttentionKeyShape>(
      kernel_key_from("attention_forward bf16 " + sizes).value().shape);
}

std::optional<std::string> refusal(const std::string& sizes,
                                   const FusedAttentionPlace& place = on_hopper,
                                   KernelOp op = KernelOp::attention_backward) {
  return fused_attention_refusal(op, shape_of(sizes), place);
}

TEST(FusedAttention, TakesWhatTrainingIssues) {
  for (const char* sizes :
       {"batch=1 length=4096 heads=32 kv_heads=8 head_size=128 causal",
        "batch=1 length=4096 heads=16 kv_heads=16 head_size=192 causal value_size=128",
        "batch=1 length=4096 heads=32 kv_heads=8 head_size=128 causal window=1024",
        "batch=1 length=512 heads=4 kv_heads=1 head_size=64 causal keys=2048 offset=1536",
        "batch=1 length=512 heads=4 kv_heads=1 head_size=64 full keys=2048"}) {
    EXPECT_EQ(refusal(sizes), std::nullopt) << sizes;
  }
}

TEST(FusedAttention, LeavesTheRestToOurOwnKernels) {
  for (const char* sizes :
       {"batch=1 length=64 heads=1 kv_heads=1 head_size=7 causal",
        "batch=1 length=64 heads=1 kv_heads=1 head_size=264 causal",
        "batch=1 length=1 heads=1 kv_heads=1 head_size=8 causal",
        "batch=1 length=64 heads=1 kv_heads=1 head_size=8 causal offset=-32",
        "batch=1 length=64 heads=1 kv_heads=1 head_size=8 causal keys=100 offset=7",
        "batch=1 length=64 heads=1 kv_heads=1 head_size=8 full window=16",
        "batch=1 length=64 heads=1 kv_heads=1 head_size=8 causal keys=32 window=16"}) {
    EXPECT_TRUE(refusal(sizes)) << sizes;
  }
}

// Their operands are others: the graph of the whole would write past the end of the list.
TEST(FusedAttention, TakesNoPartOfAttention) {
  for (const KernelOp op : {KernelOp::scores_forward,
                            KernelOp::softmax_forward,
                            KernelOp::context_forward,
                            KernelOp::context_backward,
                            KernelOp::softmax_backward,
                            KernelOp::scores_backward}) {
    EXPECT_TRUE(refusal("batch=1 length=512 heads=4 kv_heads=4 head_size=64 causal", on_hopper, op))
        << name_of(op);
  }
}

TEST(FusedAttention, DependsOnTheGpuAndTheLibrary) {
  const std::string wide = "batch=1 length=300 heads=1 kv_heads=1 head_size=256 causal";
  constexpr FusedAttentionPlace on_ampere{8, 91900};
  EXPECT_EQ(refusal(wide), std::nullopt);
  EXPECT_TRUE(refusal(wide, on_ampere));
  EXPECT_EQ(refusal(wide, on_ampere, KernelOp::attention_forward), std::nullopt);
  EXPECT_TRUE(refusal(wide, {7, 91900}));
  EXPECT_TRUE(refusal(wide, {9, 91500}));  // 300 is no multiple of 128
  EXPECT_TRUE(refusal(wide, {9, 91001}));
}

// A chunk of queries behind all of its keys sees every one: no mask is left.
TEST(FusedMask, IsNotSaidWhereItHidesNothing) {
  const FusedMask later =
      fused_mask(shape_of("batch=1 length=64 heads=1 kv_heads=1 head_size=8 causal offset=64"));
  EXPECT_FALSE(later.is_causal);
  const FusedMask wide =
      fused_mask(shape_of("batch=1 length=64 heads=1 kv_heads=1 head_size=8 causal window=64"));
  EXPECT_FALSE(wide.has_window);
  const FusedMask narrow =
      fused_mask(shape_of("batch=1 length=64 heads=1 kv_heads=1 head_size=8 causal window=63"));
  EXPECT_TRUE(narrow.has_window);
}

// cuBLAS documentation: FP8 from 8.9 on, transposed first factor but on the B200's kind.
TEST(GemmRefusal, KnowsWhichGpusMultiplyFp8) {
  const auto key = [](const std::string& text) { return kernel_key_from(text).value(); };
  const KernelKey forward = key("gemm fp8_e4m3 m=64 n=128 k=32 nt");
  EXPECT_THAT(gemm_refusal(forward, 80).value(), testing::HasSubstr("8.9"));
  EXPECT_EQ(gemm_refusal(forward, 89), std::nullopt);
  EXPECT_EQ(gemm_refusal(forward, 90), std::nullopt);
  EXPECT_TRUE(gemm_refusal(key("gemm fp8_e5m2 m=64 n=128 k=32 nn"), 90));
  EXPECT_EQ(gemm_refusal(key("gemm fp8_e5m2 m=64 n=128 k=32 nn"), 100), std::nullopt);
  EXPECT_TRUE(gemm_refusal(key("gemm fp8_e4m3 m=64 n=120 k=32 nt"), 90));
  EXPECT_EQ(gemm_refusal(key("gemm bf16 m=1 n=7 k=5 nt"), 80), std::nullopt);
}

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
