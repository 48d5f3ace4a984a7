// The text form of kernel keys.
#include "kernels/kernel_key.hpp"

#include <array>

#include <gtest/gtest.h>

#include "kernels/valid_key.hpp"

namespace forerun {
namespace {

constexpr auto lines = std::to_array<const char*>({
    "gemm bf16 m=1024 n=2304 k=768 nt",
    "gemm fp32 m=768 n=768 k=512 tn acc",
    "gemm fp16 m=3 n=5 k=7 nn",
    "attention_forward bf16 batch=1 length=1024 heads=12 kv_heads=12 head_size=64 causal",
    "attention_backward fp32 batch=2 length=100 heads=8 kv_heads=2 head_size=128 full",
    "rms_norm_forward fp32 rows=1024 columns=768",
    "rms_norm_backward fp32 rows=1024 columns=768",
    "layer_norm_forward bf16 rows=1024 columns=768",
    "layer_norm_backward bf16 rows=1024 columns=768",
    "qk_norm_forward bf16 tokens=64 batch=2 heads=8 kv_heads=2 head_size=32",
    "qk_norm_backward bf16 tokens=64 batch=2 heads=8 kv_heads=2 head_size=32",
    "rope_forward bf16 tokens=1024 batch=1 heads=12 kv_heads=12 head_size=64",
    "rope_backward bf16 tokens=1024 batch=1 heads=12 kv_heads=12 head_size=64",
    "swiglu_forward bf16 rows=4096 columns=14336",
    "swiglu_backward bf16 rows=4096 columns=14336",
    "gelu_forward bf16 rows=1024 columns=3072",
    "gelu_backward bf16 rows=1024 columns=3072",
    "add bf16 rows=1024 columns=768",
    "bias_forward bf16 rows=1024 columns=768",
    "bias_backward bf16 rows=1024 columns=768",
    "embedding_forward bf16 tokens=1024 batch=1 columns=768 table_rows=50304",
    "embedding_backward bf16 tokens=1024 batch=1 columns=768 table_rows=50304",
    "position_forward bf16 tokens=1024 batch=1 columns=768 table_rows=1024",
    "position_backward bf16 tokens=1024 batch=1 columns=768 table_rows=1024",
    "cross_entropy_max bf16 rows=1024 columns=50304",
    "cross_entropy_sum bf16 rows=1024 columns=50304",
    "cross_entropy_gradient bf16 rows=1024 columns=50304",
    "adamw bf16 elements=124439808",
    "zero fp32 elements=124439808",
    "copy fp32 elements=9007199254740993",
    "cast fp8_e4m3 rows=128 columns=256",
    "add_rms_norm_forward bf16 rows=128 columns=256",
    "add_rms_norm_backward bf16 rows=128 columns=256",
    "add_layer_norm_forward bf16 rows=128 columns=256",
    "add_layer_norm_backward bf16 rows=128 columns=256",
    "decode_attention bf16 batch=8 context=4096 heads=32 kv_heads=8 head_size=128",
    "decode_attention bf16 batch=8 context=4096 heads=32 kv_heads=1 head_size=576 value_size=512",
    "latent_decode_attention bf16 batch=8 context=4096 heads=128 kv_heads=1 head_size=576 "
    "value_size=512",
    "attention_forward bf16 batch=1 length=512 heads=8 kv_heads=2 head_size=64 full keys=1024",
    "attention_forward bf16 batch=1 length=512 heads=8 kv_heads=2 head_size=64 causal offset=512",
    "attention_backward bf16 batch=1 length=512 heads=8 kv_heads=2 head_size=64 causal keys=1024 "
    "offset=-512 window=256 value_size=32",
    "grouped_gemm bf16 groups=8 rows=4096 largest=700 n=2048 k=1024 nt",
    "grouped_gemm bf16 groups=8 rows=4096 largest=700 n=2048 k=1024 tn acc",
    "router_forward fp32 tokens=4096 experts=64 top_k=6",
    "router_backward fp32 tokens=4096 experts=64 top_k=6",
    "expert_sort int32 tokens=4096 experts=64 top_k=6",
    "permute_forward bf16 tokens=4096 top_k=6 columns=2048",
    "permute_backward bf16 tokens=4096 top_k=6 columns=2048",
    "unpermute_forward bf16 tokens=4096 top_k=6 columns=2048",
    "unpermute_backward bf16 tokens=4096 top_k=6 columns=2048",
    "conv1d_forward bf16 batch=1 length=4096 channels=4352 width=4",
    "conv1d_backward bf16 batch=1 length=4096 channels=4352 width=4",
    "ssd_forward bf16 batch=1 length=4096 heads=64 head_size=64 groups=1 state=128 chunk=256",
    "ssd_backward bf16 batch=1 length=4096 heads=64 head_size=64 groups=1 state=128 chunk=256",
    "selective_scan_forward bf16 batch=1 length=4096 channels=4096 state=16",
    "selective_scan_backward bf16 batch=1 length=4096 channels=4096 state=16",
    "attention_forward bf16 batch=1 length=512 heads=8 kv_heads=2 head_size=64 causal alibi",
    "attention_backward bf16 batch=1 length=512 heads=8 kv_heads=2 head_size=64 causal window=256 "
    "capped",
    "rope_forward bf16 tokens=1024 batch=1 heads=12 kv_heads=12 head_size=64 rotary_size=16",
    "geglu_forward bf16 rows=4096 columns=14336",
    "geglu_backward bf16 rows=4096 columns=14336",
    "relu_forward bf16 rows=4096 columns=14336",
    "relu_backward bf16 rows=4096 columns=14336",
    "softcap_forward bf16 rows=4096 columns=256000",
    "softcap_backward bf16 rows=4096 columns=256000",
    "scale bf16 elements=12582912",
    "layer_norm_nobias_forward bf16 rows=1024 columns=768",
    "layer_norm_nobias_backward bf16 rows=1024 columns=768",
    "relu_squared_forward bf16 rows=4096 columns=21504",
    "relu_squared_backward bf16 rows=4096 columns=21504",
    "row_gate_forward bf16 rows=4096 columns=2048",
    "row_gate_backward bf16 rows=4096 columns=2048",
    "sigmoid_gate_forward bf16 rows=4096 columns=4096",
    "sigmoid_gate_backward bf16 rows=4096 columns=4096",
    "gated_norm_forward bf16 rows=4096 columns=8192 groups=8",
    "gated_norm_backward bf16 rows=4096 columns=8192 groups=8",
    "take_columns bf16 rows=4096 columns=512 width=576",
    "put_columns bf16 rows=4096 columns=64 width=576 first=512",
    "latent_query_forward bf16 tokens=4096 batch=1 heads=16 nope_size=128 rope_size=64 "
    "value_size=128",
    "latent_query_backward bf16 tokens=4096 batch=1 heads=16 nope_size=128 rope_size=64 "
    "value_size=128",
    "latent_keys_forward bf16 tokens=4096 batch=1 heads=16 nope_size=128 rope_size=64 "
    "value_size=128",
    "latent_keys_backward bf16 tokens=4096 batch=1 heads=16 nope_size=128 rope_size=64 "
    "value_size=128",
    "delta_rule_forward bf16 batch=1 length=4096 heads=32 key_heads=16 key_size=128 "
    "value_size=128 chunk=64",
    "delta_rule_backward bf16 batch=1 length=4096 heads=32 key_heads=16 key_size=128 "
    "value_size=128 chunk=64",
});

TEST(KernelKeyText, ReadsBackEveryOp) {
  for (const char* line : lines) {
    const auto key = kernel_key_from(line);
    ASSERT_TRUE(key.has_value()) << line;
    EXPECT_EQ(text_of(*key), line);
  }
}

TEST(KernelKeyText, NamesEveryOpDifferently) {
  constexpr auto last = KernelOp::layer_norm_nobias_backward;
  for (int a = 0; a <= static_cast<int>(last); ++a) {
    EXPECT_FALSE(name_of(static_cast<KernelOp>(a)).empty());
    for (int b = 0; b < a; ++b) {
      EXPECT_NE(name_of(static_cast<KernelOp>(a)), name_of(static_cast<KernelOp>(b)));
    }
  }
}

TEST(KernelKeyText, WritesTheFieldsOfTheStruct) {
  const KernelKey key{KernelOp::gemm,
                      DataType::fp32,
                      GemmShape{768, 512, 64, GemmLayout::tn, GemmOutput::accumulate_fp32}};
  EXPECT_EQ(text_of(key), "gemm fp32 m=768 n=512 k=64 tn acc");
}

TEST(KernelKeyText, ReadsIntoTheFieldsOfTheStruct) {
  const auto key = kernel_key_from(
      "attention_forward bf16 batch=1 length=2 heads=9 kv_heads=3 head_size=5 full");
  const KernelKey expected{
      KernelOp::attention_forward, DataType::bf16, AttentionKeyShape{1, 2, 9, 3, 5, Mask::full}};
  EXPECT_EQ(key, expected);
}

TEST(KernelKeyText, IsNothingForOtherText) {
  for (const char* line : {"",
                           "gemm",
                           "gemm bf16",
                           "gem bf16 m=1 n=1 k=1 nt",
                           "gemm bf61 m=1 n=1 k=1 nt",
                           "gemm bf16 m=1 n=1 k=1",
                           "gemm bf16 m=1 n=1 k=1 xx",
                           "gemm bf16 m=1 k=1 n=1 nt",
                           "gemm bf16 m=1 n=1 k=1 nt accumulate",
                           "gemm bf16 m=1 n=1 k=1 nt acc more",
                           "gemm bf16 m=1x n=1 k=1 nt",
                           "gemm bf16 m= n=1 k=1 nt",
                           "gemm  bf16 m=1 n=1 k=1 nt",
                           "copy bf16 elements=99999999999999999999",
                           "copy bf16 rows=4 columns=4",
                           "decode_attention bf16 batch=1 context=1 heads=1 kv_heads=1 "
                           "head_size=1 value_size=0",
                           "attention_forward bf16 batch=1 length=2 heads=9 kv_heads=3 "
                           "head_size=5 full plain",
                           "add bf16 elements=16"}) {
    EXPECT_EQ(kernel_key_from(line), std::nullopt) << line;
  }
}

// Sizes whose bytes no 64-bit number counts.
TEST(KernelKey, RefusesSizesThatNoDeviceHolds) {
  EXPECT_TRUE(contradiction_in(kernel_key_from("copy fp32 elements=4611686018427387904").value()));
  // Fewer than 2^63 elements, more than 2^63 bytes.
  EXPECT_TRUE(contradiction_in(kernel_key_from("copy fp32 elements=3000000000000000000").value()));
  EXPECT_TRUE(
      contradiction_in(kernel_key_from("gemm fp32 m=4294967296 n=4294967296 k=1 nt").value()));
}

}  // namespace
}  // namespace forerun
