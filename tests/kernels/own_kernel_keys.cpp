#include "tests/kernels/own_kernel_keys.hpp"

#include <array>

namespace forerun {
namespace {

// Rows of one block and of several, columns with and without 16-byte packs, more than a block.
constexpr auto rows = std::to_array<const char*>({
    "rms_norm_forward rows=1 columns=1",
    "rms_norm_forward rows=3 columns=129",
    "rms_norm_forward rows=2 columns=768",
    "rms_norm_backward rows=1 columns=3",
    "rms_norm_backward rows=130 columns=40",
    "rms_norm_backward rows=2 columns=768",
    "layer_norm_forward rows=1 columns=2",
    "layer_norm_forward rows=3 columns=129",
    "layer_norm_forward rows=2 columns=768",
    "layer_norm_backward rows=1 columns=5",
    "layer_norm_backward rows=130 columns=40",
    "layer_norm_backward rows=2 columns=768",
    "add_rms_norm_forward rows=1 columns=3",
    "add_rms_norm_forward rows=7 columns=517",
    "add_rms_norm_backward rows=1 columns=3",
    "add_rms_norm_backward rows=7 columns=517",
    "add_layer_norm_forward rows=1 columns=3",
    "add_layer_norm_forward rows=7 columns=517",
    "add_layer_norm_backward rows=1 columns=3",
    "add_layer_norm_backward rows=7 columns=517",
    "layer_norm_nobias_forward rows=1 columns=3",
    "layer_norm_nobias_forward rows=7 columns=517",
    "layer_norm_nobias_backward rows=1 columns=3",
    "layer_norm_nobias_backward rows=130 columns=40",
    "swiglu_forward rows=1 columns=1",
    "swiglu_forward rows=5 columns=517",
    "swiglu_forward rows=8 columns=512",
    "swiglu_backward rows=1 columns=1",
    "swiglu_backward rows=5 columns=517",
    "swiglu_backward rows=8 columns=512",
    "gelu_forward rows=1 columns=1",
    "gelu_forward rows=5 columns=517",
    "gelu_forward rows=8 columns=512",
    "gelu_backward rows=1 columns=1",
    "gelu_backward rows=5 columns=517",
    "gelu_backward rows=8 columns=512",
    "geglu_forward rows=1 columns=1",
    "geglu_forward rows=5 columns=517",
    "geglu_forward rows=8 columns=512",
    "geglu_backward rows=1 columns=1",
    "geglu_backward rows=5 columns=517",
    "geglu_backward rows=8 columns=512",
    "relu_forward rows=5 columns=517",
    "relu_forward rows=8 columns=512",
    "relu_backward rows=5 columns=517",
    "relu_backward rows=8 columns=512",
    "softcap_forward rows=5 columns=517",
    "softcap_forward rows=8 columns=512",
    "softcap_backward rows=5 columns=517",
    "softcap_backward rows=8 columns=512",
    "bias_gelu_forward rows=1 columns=1",
    "bias_gelu_forward rows=5 columns=517",
    "bias_gelu_forward rows=8 columns=512",
    "bias_gelu_backward rows=1 columns=1",
    "bias_gelu_backward rows=5 columns=517",
    "bias_gelu_backward rows=8 columns=512",
    "dropout_forward rows=1 columns=1",
    "dropout_forward rows=5 columns=517",
    "dropout_forward rows=8 columns=512",
    "dropout_backward rows=1 columns=1",
    "dropout_backward rows=5 columns=517",
    "dropout_backward rows=8 columns=512",
    "bias_dropout_add_forward rows=1 columns=1",
    "bias_dropout_add_forward rows=5 columns=517",
    "bias_dropout_add_forward rows=8 columns=512",
    "add rows=1 columns=1",
    "add rows=5 columns=517",
    "add rows=8 columns=512",
    "bias_forward rows=5 columns=517",
    "bias_forward rows=8 columns=512",
    "bias_backward rows=1 columns=1",
    "bias_backward rows=700 columns=33",
    "cross_entropy_max rows=1 columns=1",
    "cross_entropy_max rows=5 columns=1013",
    "cross_entropy_sum rows=1 columns=2",
    "cross_entropy_sum rows=5 columns=1013",
    "cross_entropy_gradient rows=1 columns=2",
    "cross_entropy_gradient rows=5 columns=1013",
    "zero elements=1",
    "zero elements=4001",
    "copy elements=1",
    "copy elements=4001",
    "widen elements=1",
    "widen elements=4001",
    "widen elements=4000",
    "narrow elements=4001",
    "narrow elements=4000",
    "accumulate elements=1",
    "accumulate elements=4001",
    "accumulate elements=4000",
    "square_sum elements=1",
    "square_sum elements=4001",
    "square_sum elements=4000",
    "scale elements=1",
    "scale elements=4001",
    "scale elements=4000",
    "dequantize elements=1",
    "dequantize elements=4001",
    "dequantize elements=40000",
    "adamw elements=1",
    "adamw elements=4001",
    "adamw elements=4000",
});

constexpr auto heads = std::to_array<const char*>({
    "qk_norm_forward tokens=1 batch=1 heads=1 kv_heads=1 head_size=1",
    "qk_norm_forward tokens=6 batch=2 heads=4 kv_heads=2 head_size=7",
    "qk_norm_forward tokens=9 batch=1 heads=3 kv_heads=1 head_size=64",
    "qk_norm_backward tokens=1 batch=1 heads=1 kv_heads=1 head_size=1",
    "qk_norm_backward tokens=6 batch=2 heads=4 kv_heads=2 head_size=7",
    "qk_norm_backward tokens=40 batch=1 heads=3 kv_heads=3 head_size=64",
    "rope_forward tokens=1 batch=1 heads=1 kv_heads=1 head_size=2",
    "rope_forward tokens=6 batch=2 heads=4 kv_heads=2 head_size=6",
    "rope_forward tokens=20 batch=2 heads=9 kv_heads=1 head_size=128",
    "rope_backward tokens=20 batch=2 heads=9 kv_heads=1 head_size=128",
    "rope_forward tokens=6 batch=2 heads=4 kv_heads=2 head_size=10 rotary_size=4",
    "rope_backward tokens=20 batch=2 heads=3 kv_heads=1 head_size=128 rotary_size=32",
    "softmax_forward batch=1 length=1 heads=1 kv_heads=1 head_size=1 causal",
    "softmax_forward batch=2 length=37 heads=4 kv_heads=2 head_size=7 causal",
    "softmax_forward batch=1 length=64 heads=2 kv_heads=2 head_size=8 full",
    "softmax_forward batch=1 length=40 heads=2 kv_heads=1 head_size=8 causal window=9",
    "softmax_forward batch=1 length=40 heads=2 kv_heads=1 head_size=8 full window=99",
    "softmax_backward batch=1 length=1 heads=1 kv_heads=1 head_size=1 causal",
    "softmax_backward batch=2 length=37 heads=4 kv_heads=2 head_size=7 causal",
    "softmax_backward batch=1 length=64 heads=2 kv_heads=2 head_size=8 full",
    "embedding_forward tokens=1 batch=1 columns=1 table_rows=1",
    "embedding_forward tokens=20 batch=2 columns=257 table_rows=11",
    "embedding_forward tokens=20 batch=2 columns=256 table_rows=11",
    "embedding_backward tokens=20 batch=2 columns=257 table_rows=11",
    "position_forward tokens=20 batch=2 columns=257 table_rows=40",
    "position_backward tokens=20 batch=2 columns=257 table_rows=40",
    "decode_attention batch=1 context=1 heads=1 kv_heads=1 head_size=1",
    "decode_attention batch=1 context=700 heads=1 kv_heads=1 head_size=64",
    "decode_attention batch=3 context=65 heads=6 kv_heads=2 head_size=7",
    "decode_attention batch=2 context=129 heads=8 kv_heads=8 head_size=16",
    "decode_attention batch=1 context=70 heads=10 kv_heads=1 head_size=128",
    "decode_attention batch=1 context=70 heads=6 kv_heads=1 head_size=192 value_size=128",
    "decode_attention batch=2 context=90 heads=11 kv_heads=1 head_size=72 value_size=64",
    "decode_attention batch=1 context=40 heads=3 kv_heads=1 head_size=576 value_size=512",
    "decode_attention batch=1 context=40 heads=2 kv_heads=1 head_size=203 value_size=130",
    "latent_decode_attention batch=1 context=40 heads=3 kv_heads=1 head_size=576 value_size=512",
    "latent_decode_attention batch=2 context=70 heads=4 kv_heads=2 head_size=72 value_size=64",
    "latent_decode_attention batch=1 context=33 heads=2 kv_heads=1 head_size=203 value_size=130",
});

// Lengths around the tiles of 8 and 32 rows, groups of every kind, odd and the largest head sizes;
// windows, also longer than the sequence; chunks of queries against other chunks of keys, seen
// wholly, partly or not at all; values of another size.
constexpr auto attention = std::to_array<const char*>({
    "batch=1 length=1 heads=1 kv_heads=1 head_size=1 causal",
    "batch=2 length=17 heads=3 kv_heads=3 head_size=7 causal",
    "batch=1 length=70 heads=4 kv_heads=2 head_size=64 full",
    "batch=1 length=33 heads=2 kv_heads=1 head_size=256 causal",
    "batch=2 length=40 heads=2 kv_heads=1 head_size=16 causal window=1",
    "batch=1 length=100 heads=2 kv_heads=1 head_size=8 causal window=37",
    "batch=1 length=40 heads=2 kv_heads=2 head_size=8 causal window=500",
    "batch=1 length=70 heads=2 kv_heads=2 head_size=8 full window=40",
    "batch=2 length=35 heads=2 kv_heads=2 head_size=24 causal value_size=16",
    "batch=1 length=9 heads=2 kv_heads=2 head_size=192 causal value_size=128",
    "batch=2 length=35 heads=4 kv_heads=2 head_size=8 full keys=100",
    "batch=1 length=100 heads=2 kv_heads=1 head_size=8 causal keys=35",
    "batch=1 length=40 heads=2 kv_heads=1 head_size=8 causal offset=40",
    "batch=1 length=70 heads=2 kv_heads=1 head_size=8 causal offset=-35",
    "batch=1 length=40 heads=2 kv_heads=1 head_size=8 causal offset=-40",
    "batch=1 length=1 heads=1 kv_heads=1 head_size=5 full keys=1 offset=3",
    "batch=1 length=33 heads=1 kv_heads=1 head_size=5 causal keys=200 offset=150 window=65 "
    "value_size=9",
});

// Rows around the tiles of 128, experts without rows (an alpha so steep that the last get none).
constexpr auto experts = std::to_array<const char*>({
    "grouped_gemm groups=1 rows=1 largest=1 n=1 k=1 nt",
    "grouped_gemm groups=4 rows=150 largest=140 n=33 k=17 nt",
    "grouped_gemm groups=4 rows=150 largest=140 n=33 k=17 nn",
    "grouped_gemm groups=4 rows=50 largest=20 n=33 k=17 tn",
    "grouped_gemm groups=4 rows=50 largest=20 n=33 k=17 tn acc",
    "grouped_gemm groups=2 rows=50 largest=30 n=33 k=17 nt acc",
    "grouped_gemm groups=2 rows=30 largest=20 n=33 k=17 nn acc",
    "grouped_gemm groups=8 rows=64 largest=64 n=24 k=48 nt",
    "grouped_gemm groups=8 rows=64 largest=64 n=24 k=48 nn",
    "grouped_gemm groups=3 rows=64 largest=64 n=24 k=48 tn",
    "grouped_gemm groups=3 rows=64 largest=64 n=24 k=48 tn acc",
    "grouped_gemm groups=1 rows=40 largest=40 n=136 k=40 nt",
    "grouped_gemm groups=1 rows=40 largest=40 n=40 k=136 nn",
    "grouped_gemm groups=1 rows=70 largest=70 n=136 k=8 tn",
    "grouped_gemm groups=3 rows=3 largest=2 n=7 k=5 tn",
    "router_forward tokens=1 experts=1 top_k=1",
    "router_forward tokens=33 experts=8 top_k=2",
    "router_forward tokens=50 experts=60 top_k=8",
    "router_forward tokens=5 experts=4 top_k=4",
    "router_backward tokens=33 experts=8 top_k=2",
    "router_backward tokens=50 experts=60 top_k=8",
    "router_backward tokens=5 experts=4 top_k=4",
    "permute_forward tokens=1 top_k=1 columns=1",
    "permute_forward tokens=30 top_k=3 columns=65",
    "permute_forward tokens=30 top_k=3 columns=64",
    "permute_backward tokens=30 top_k=3 columns=65",
    "permute_backward tokens=30 top_k=3 columns=64",
    "unpermute_forward tokens=30 top_k=3 columns=65",
    "unpermute_forward tokens=30 top_k=3 columns=64",
    "unpermute_backward tokens=30 top_k=3 columns=65",
    "unpermute_backward tokens=30 top_k=3 columns=64",
    "unpermute_backward tokens=1 top_k=2 columns=1",
});

// Channels and positions around the 16 of a block and of a segment; states around the lanes.
constexpr auto scans = std::to_array<const char*>({
    "conv1d_forward batch=1 length=1 channels=1 width=4",
    "conv1d_forward batch=2 length=37 channels=65 width=4",
    "conv1d_forward batch=3 length=3 channels=300 width=5",
    "conv1d_backward batch=1 length=1 channels=1 width=4",
    "conv1d_backward batch=2 length=37 channels=65 width=4",
    "conv1d_backward batch=3 length=3 channels=300 width=5",
    "ssd_forward batch=1 length=1 heads=1 head_size=1 groups=1 state=1 chunk=1",
    "ssd_forward batch=2 length=37 heads=4 head_size=5 groups=2 state=7 chunk=16",
    "ssd_forward batch=1 length=20 heads=2 head_size=16 groups=1 state=64 chunk=64",
    "ssd_forward batch=1 length=9 heads=1 head_size=4 groups=1 state=128 chunk=8",
    "ssd_forward batch=1 length=9 heads=1 head_size=4 groups=1 state=200 chunk=8",
    "ssd_backward batch=1 length=1 heads=1 head_size=1 groups=1 state=1 chunk=1",
    "ssd_backward batch=2 length=37 heads=4 head_size=5 groups=2 state=7 chunk=16",
    "ssd_backward batch=1 length=20 heads=2 head_size=16 groups=1 state=64 chunk=64",
    "ssd_backward batch=1 length=9 heads=1 head_size=4 groups=1 state=128 chunk=8",
    "ssd_backward batch=1 length=9 heads=1 head_size=4 groups=1 state=200 chunk=8",
    "ssd_forward batch=2 length=100 heads=3 head_size=20 groups=1 state=20 chunk=33",
    "ssd_backward batch=2 length=100 heads=3 head_size=20 groups=1 state=20 chunk=33",
    "ssd_backward batch=1 length=254 heads=2 head_size=9 groups=1 state=42 chunk=90",
    "selective_scan_forward batch=1 length=530 channels=3 state=3",
    "selective_scan_backward batch=1 length=530 channels=3 state=3",
    "selective_scan_forward batch=1 length=1 channels=1 state=1",
    "selective_scan_forward batch=2 length=37 channels=35 state=5",
    "selective_scan_forward batch=1 length=20 channels=32 state=16",
    "selective_scan_backward batch=1 length=1 channels=1 state=1",
    "selective_scan_backward batch=2 length=37 channels=35 state=5",
    "selective_scan_backward batch=1 length=20 channels=32 state=16",
});

constexpr auto typed = std::to_array<const char*>({
    "expert_sort int32 tokens=1 experts=1 top_k=1",
    "expert_sort int32 tokens=37 experts=9 top_k=3",
    "expert_sort int32 tokens=300 experts=64 top_k=6",
    "expert_sort int32 tokens=9000 experts=70 top_k=2",
    "cast fp8_e4m3 rows=1 columns=1",
    "cast fp8_e4m3 rows=64 columns=128",
    "cast fp8_e4m3 rows=70 columns=33",
    "cast fp8_e5m2 rows=33 columns=70",
});

constexpr auto with_scalars = std::to_array<const char*>({
    "embedding_forward fp32 tokens=20 batch=2 columns=64 table_rows=11",
    "embedding_backward fp32 tokens=20 batch=2 columns=64 table_rows=11",
    "position_forward fp32 tokens=20 batch=2 columns=64 table_rows=40",
    "position_backward fp32 tokens=20 batch=2 columns=64 table_rows=40",
    "rope_forward fp32 tokens=20 batch=2 heads=3 kv_heads=1 head_size=64",
    "rope_backward fp32 tokens=20 batch=2 heads=3 kv_heads=1 head_size=64",
    "cross_entropy_max bf16 rows=7 columns=1013",
    "cross_entropy_sum bf16 rows=7 columns=1013",
    "cross_entropy_gradient bf16 rows=7 columns=1013",
    "rms_norm_forward fp32 rows=5 columns=33",
    "layer_norm_forward fp32 rows=5 columns=33",
    "layer_norm_nobias_forward fp32 rows=5 columns=33",
    "add_rms_norm_forward fp32 rows=5 columns=33",
    "add_layer_norm_forward fp32 rows=5 columns=33",
    "qk_norm_forward fp32 tokens=6 batch=2 heads=3 kv_heads=1 head_size=7",
    "softcap_forward fp32 rows=5 columns=33",
    "softcap_backward fp32 rows=5 columns=33",
    "scale bf16 elements=77",
    "scale fp32 elements=80",
    "dropout_forward fp32 rows=5 columns=33",
    "dropout_backward fp32 rows=5 columns=33",
    "bias_dropout_add_forward bf16 rows=8 columns=64",
    "adamw fp32 elements=77",
    "adamw bf16 elements=80",
});

}  // namespace

std::span<const char* const> row_keys() {
  return rows;
}

std::span<const char* const> head_keys() {
  return heads;
}

std::span<const char* const> attention_sizes() {
  return attention;
}

std::span<const char* const> expert_keys() {
  return experts;
}

std::span<const char* const> scan_keys() {
  return scans;
}

std::span<const char* const> typed_keys() {
  return typed;
}

std::span<const char* const> scalar_keys() {
  return with_scalars;
}

KernelScalars unusual_scalars() {
  return {.scale = 0.25,
          .keep = 0.4,
          .dropout_seed = 12345,
          .first = 5,
          .valid = 600,
          .rope_theta = 500000.0,
          .norm_epsilon = 0.5,
          .softcap = 1.5,
          .adamw = {.learning_rate = 0.02,
                    .beta1 = 0.8,
                    .beta2 = 0.9,
                    .epsilon = 0.1,
                    .weight_decay = 0.3,
                    .step = 3}};
}

std::string with_type(std::string text, const std::string& type) {
  return text.insert(text.find(' '), " " + type);
}

}  // namespace forerun
