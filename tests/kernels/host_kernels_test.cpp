// Every kernel of the host device against the double-precision reference.
#include <gtest/gtest.h>

#include "tests/kernels/host_kernel_fixture.hpp"
#include "tests/kernels/own_kernel_keys.hpp"

namespace forerun {
namespace {

TEST_P(HostKernel, AgreesWithTheReferenceInFp32) {
  expect_agrees(device_, key("fp32"));
}

TEST_P(HostKernel, AgreesWithTheReferenceInBf16) {
  expect_agrees(device_, key("bf16"));
}

INSTANTIATE_TEST_SUITE_P(Gemm,
                         HostKernel,
                         testing::Values("gemm m=1 n=1 k=1 nn",
                                         "gemm m=1 n=7 k=5 nt",
                                         "gemm m=33 n=65 k=17 nn",
                                         "gemm m=33 n=65 k=17 nt",
                                         "gemm m=33 n=65 k=17 tn",
                                         "gemm m=33 n=65 k=17 nn acc",
                                         "gemm m=33 n=65 k=17 nt acc",
                                         "gemm m=33 n=65 k=17 tn acc",
                                         "gemm m=128 n=192 k=256 nt",
                                         "gemm m=128 n=192 k=256 nn",
                                         "gemm m=192 n=256 k=128 tn acc"),
                         test_name);

// Lengths around the block of 128, groups of every kind, odd head sizes.
INSTANTIATE_TEST_SUITE_P(
    Attention,
    HostKernel,
    testing::Values("attention_forward batch=1 length=1 heads=1 kv_heads=1 head_size=1 causal",
                    "attention_forward batch=2 length=17 heads=3 kv_heads=3 head_size=7 causal",
                    "attention_forward batch=2 length=130 heads=4 kv_heads=2 head_size=16 causal",
                    "attention_forward batch=1 length=257 heads=2 kv_heads=1 head_size=64 causal",
                    "attention_forward batch=1 length=257 heads=2 kv_heads=1 head_size=64 full",
                    "attention_forward batch=3 length=64 heads=6 kv_heads=2 head_size=5 full",
                    "attention_backward batch=1 length=1 heads=1 kv_heads=1 head_size=1 causal",
                    "attention_backward batch=2 length=17 heads=3 kv_heads=3 head_size=7 causal",
                    "attention_backward batch=2 length=130 heads=4 kv_heads=2 head_size=16 causal",
                    "attention_backward batch=1 length=257 heads=2 kv_heads=1 head_size=64 causal",
                    "attention_backward batch=1 length=257 heads=2 kv_heads=1 head_size=64 full",
                    "attention_backward batch=3 length=64 heads=6 kv_heads=2 head_size=5 full",
                    "attention_forward batch=2 length=150 heads=6 kv_heads=2 head_size=8 causal "
                    "alibi",
                    "attention_backward batch=2 length=150 heads=6 kv_heads=2 head_size=8 causal "
                    "alibi",
                    "attention_forward batch=1 length=300 heads=2 kv_heads=1 head_size=8 causal "
                    "window=50 capped",
                    "attention_backward batch=1 length=300 heads=2 kv_heads=1 head_size=8 causal "
                    "window=50 capped"),
    test_name);

// Windows, also longer than the sequence; chunks of queries against other chunks of keys, seen
// wholly, partly or not at all; values of another size; one key, one query.
INSTANTIATE_TEST_SUITE_P(
    AttentionOfChunks,
    HostKernel,
    testing::Values(
        "attention_forward batch=2 length=130 heads=4 kv_heads=2 head_size=16 causal window=1",
        "attention_forward batch=1 length=300 heads=2 kv_heads=1 head_size=8 causal window=50",
        "attention_forward batch=1 length=300 heads=2 kv_heads=2 head_size=8 causal window=500",
        "attention_forward batch=1 length=300 heads=2 kv_heads=2 head_size=8 full window=140",
        "attention_forward batch=2 length=70 heads=2 kv_heads=2 head_size=24 causal value_size=16",
        "attention_forward batch=2 length=70 heads=4 kv_heads=2 head_size=8 full keys=200",
        "attention_forward batch=1 length=200 heads=2 kv_heads=1 head_size=8 causal keys=70",
        "attention_forward batch=1 length=140 heads=2 kv_heads=1 head_size=8 causal offset=140",
        "attention_forward batch=1 length=140 heads=2 kv_heads=1 head_size=8 causal offset=-70",
        "attention_forward batch=1 length=140 heads=2 kv_heads=1 head_size=8 causal offset=-140",
        "attention_forward batch=1 length=1 heads=1 kv_heads=1 head_size=5 full keys=1 offset=3",
        "attention_forward batch=1 length=33 heads=1 kv_heads=1 head_size=5 causal keys=400 "
        "offset=300 window=129 value_size=9",
        "attention_backward batch=2 length=130 heads=4 kv_heads=2 head_size=16 causal window=1",
        "attention_backward batch=1 length=300 heads=2 kv_heads=1 head_size=8 causal window=50",
        "attention_backward batch=1 length=300 heads=2 kv_heads=2 head_size=8 causal window=500",
        "attention_backward batch=1 length=300 heads=2 kv_heads=2 head_size=8 full window=140",
        "attention_backward batch=2 length=70 heads=2 kv_heads=2 head_size=24 causal value_size=16",
        "attention_backward batch=2 length=70 heads=4 kv_heads=2 head_size=8 full keys=200",
        "attention_backward batch=1 length=200 heads=2 kv_heads=1 head_size=8 causal keys=70",
        "attention_backward batch=1 length=140 heads=2 kv_heads=1 head_size=8 causal offset=140",
        "attention_backward batch=1 length=140 heads=2 kv_heads=1 head_size=8 causal offset=-70",
        "attention_backward batch=1 length=140 heads=2 kv_heads=1 head_size=8 causal offset=-140",
        "attention_backward batch=1 length=33 heads=1 kv_heads=1 head_size=5 causal keys=400 "
        "offset=300 window=129 value_size=9"),
    test_name);

INSTANTIATE_TEST_SUITE_P(
    Decode,
    HostKernel,
    testing::Values("decode_attention batch=1 context=1 heads=1 kv_heads=1 head_size=1",
                    "decode_attention batch=1 context=700 heads=1 kv_heads=1 head_size=64",
                    "decode_attention batch=3 context=65 heads=6 kv_heads=2 head_size=7",
                    "decode_attention batch=2 context=129 heads=8 kv_heads=8 head_size=16",
                    "latent_decode_attention batch=1 context=1 heads=1 kv_heads=1 head_size=1",
                    "latent_decode_attention batch=2 context=300 heads=16 kv_heads=1 head_size=72 "
                    "value_size=64",
                    "latent_decode_attention batch=3 context=65 heads=6 kv_heads=2 head_size=7 "
                    "value_size=5",
                    "decode_attention batch=2 context=300 heads=16 kv_heads=1 head_size=72 "
                    "value_size=64",
                    "gemm m=1 n=300 k=513 nt",
                    "gemm m=2 n=33 k=1000 nt",
                    "gemm m=3 n=1 k=7 nt",
                    "gemm m=4 n=257 k=64 nt",
                    "gemm m=5 n=257 k=64 nt"),
    test_name);

// Chunks that do not divide the sequence, longer than it, of one position; blocks of 64 channels
// and segments of 64 positions, whole and not.
INSTANTIATE_TEST_SUITE_P(
    Scans,
    HostKernel,
    testing::Values(
        "conv1d_forward batch=1 length=1 channels=1 width=4",
        "conv1d_forward batch=2 length=37 channels=65 width=4",
        "conv1d_forward batch=3 length=3 channels=300 width=5",
        "conv1d_backward batch=1 length=1 channels=1 width=4",
        "conv1d_backward batch=2 length=37 channels=65 width=4",
        "conv1d_backward batch=3 length=3 channels=300 width=5",
        "ssd_forward batch=1 length=1 heads=1 head_size=1 groups=1 state=1 chunk=1",
        "ssd_forward batch=2 length=37 heads=4 head_size=5 groups=2 state=7 chunk=16",
        "ssd_forward batch=1 length=20 heads=2 head_size=16 groups=1 state=8 chunk=64",
        "ssd_forward batch=2 length=9 heads=3 head_size=4 groups=3 state=4 chunk=1",
        "ssd_forward batch=1 length=130 heads=2 head_size=32 groups=1 state=16 chunk=32",
        "ssd_backward batch=1 length=1 heads=1 head_size=1 groups=1 state=1 chunk=1",
        "ssd_backward batch=2 length=37 heads=4 head_size=5 groups=2 state=7 chunk=16",
        "ssd_backward batch=1 length=20 heads=2 head_size=16 groups=1 state=8 chunk=64",
        "ssd_backward batch=2 length=9 heads=3 head_size=4 groups=3 state=4 chunk=1",
        "ssd_backward batch=1 length=130 heads=2 head_size=32 groups=1 state=16 chunk=32",
        "ssd_backward batch=3 length=254 heads=4 head_size=27 groups=2 state=42 chunk=90",
        "ssd_backward batch=1 length=512 heads=4 head_size=64 groups=1 state=128 chunk=256",
        "selective_scan_forward batch=1 length=1 channels=1 state=1",
        "selective_scan_forward batch=2 length=37 channels=65 state=5",
        "selective_scan_forward batch=1 length=130 channels=128 state=16",
        "selective_scan_backward batch=1 length=1 channels=1 state=1",
        "selective_scan_backward batch=2 length=37 channels=65 state=5",
        "selective_scan_backward batch=1 length=130 channels=128 state=16"),
    test_name);

// One group and several, one element a group; columns at the front, in the middle and at the end.
INSTANTIATE_TEST_SUITE_P(Gates,
                         HostKernel,
                         testing::Values("relu_squared_forward rows=33 columns=517",
                                         "relu_squared_backward rows=33 columns=517",
                                         "row_gate_forward rows=33 columns=517",
                                         "row_gate_backward rows=1 columns=1",
                                         "row_gate_backward rows=33 columns=517",
                                         "sigmoid_gate_forward rows=33 columns=517",
                                         "sigmoid_gate_backward rows=33 columns=517",
                                         "gated_norm_forward rows=5 columns=12 groups=3",
                                         "gated_norm_forward rows=64 columns=512 groups=1",
                                         "gated_norm_backward rows=5 columns=12 groups=3",
                                         "gated_norm_backward rows=64 columns=512 groups=2",
                                         "take_columns rows=5 columns=3 width=8",
                                         "take_columns rows=77 columns=300 width=517 first=217",
                                         "put_columns rows=5 columns=3 width=8 first=2",
                                         "put_columns rows=77 columns=300 width=517 first=217"),
                         test_name);

INSTANTIATE_TEST_SUITE_P(
    LatentHeads,
    HostKernel,
    testing::Values("latent_query_forward tokens=6 batch=2 heads=3 nope_size=5 rope_size=4 "
                    "value_size=7",
                    "latent_query_backward tokens=64 batch=1 heads=4 nope_size=64 rope_size=32 "
                    "value_size=64",
                    "latent_keys_forward tokens=6 batch=2 heads=3 nope_size=5 rope_size=4 "
                    "value_size=7",
                    "latent_keys_forward tokens=64 batch=1 heads=4 nope_size=64 rope_size=32 "
                    "value_size=64",
                    "latent_keys_backward tokens=6 batch=2 heads=3 nope_size=5 rope_size=4 "
                    "value_size=7",
                    "latent_keys_backward tokens=64 batch=1 heads=4 nope_size=64 rope_size=32 "
                    "value_size=64"),
    test_name);

INSTANTIATE_TEST_SUITE_P(Norms,
                         HostKernel,
                         testing::Values("rms_norm_forward rows=1 columns=1",
                                         "rms_norm_forward rows=7 columns=129",
                                         "rms_norm_forward rows=64 columns=768",
                                         "rms_norm_backward rows=1 columns=3",
                                         "rms_norm_backward rows=7 columns=129",
                                         "rms_norm_backward rows=64 columns=768",
                                         "layer_norm_forward rows=1 columns=2",
                                         "layer_norm_forward rows=7 columns=129",
                                         "layer_norm_forward rows=64 columns=768",
                                         "layer_norm_backward rows=1 columns=5",
                                         "layer_norm_backward rows=7 columns=129",
                                         "layer_norm_backward rows=64 columns=768",
                                         "layer_norm_nobias_forward rows=7 columns=129",
                                         "layer_norm_nobias_backward rows=7 columns=129"),
                         test_name);

INSTANTIATE_TEST_SUITE_P(
    Heads,
    HostKernel,
    testing::Values("qk_norm_forward tokens=6 batch=2 heads=4 kv_heads=2 head_size=7",
                    "qk_norm_forward tokens=64 batch=1 heads=3 kv_heads=1 head_size=64",
                    "qk_norm_backward tokens=6 batch=2 heads=4 kv_heads=2 head_size=7",
                    "qk_norm_backward tokens=64 batch=1 heads=3 kv_heads=3 head_size=64",
                    "rope_forward tokens=6 batch=2 heads=4 kv_heads=2 head_size=6",
                    "rope_forward tokens=256 batch=2 heads=3 kv_heads=1 head_size=64",
                    "rope_backward tokens=6 batch=2 heads=4 kv_heads=2 head_size=6",
                    "rope_backward tokens=256 batch=2 heads=3 kv_heads=1 head_size=64",
                    "rope_forward tokens=6 batch=2 heads=4 kv_heads=2 head_size=7 rotary_size=4",
                    "rope_backward tokens=256 batch=2 heads=3 kv_heads=1 head_size=64 "
                    "rotary_size=16"),
    test_name);

INSTANTIATE_TEST_SUITE_P(ElementWise,
                         HostKernel,
                         testing::Values("swiglu_forward rows=1 columns=1",
                                         "swiglu_forward rows=33 columns=517",
                                         "swiglu_backward rows=1 columns=1",
                                         "swiglu_backward rows=33 columns=517",
                                         "gelu_forward rows=1 columns=1",
                                         "gelu_forward rows=33 columns=517",
                                         "gelu_backward rows=1 columns=1",
                                         "gelu_backward rows=33 columns=517",
                                         "geglu_forward rows=1 columns=1",
                                         "geglu_forward rows=33 columns=517",
                                         "geglu_backward rows=1 columns=1",
                                         "geglu_backward rows=33 columns=517",
                                         "relu_forward rows=33 columns=517",
                                         "relu_backward rows=33 columns=517",
                                         "softcap_forward rows=33 columns=517",
                                         "softcap_backward rows=33 columns=517",
                                         "add rows=1 columns=1",
                                         "add rows=33 columns=517",
                                         "bias_forward rows=33 columns=517",
                                         "bias_backward rows=33 columns=517",
                                         "copy elements=1",
                                         "zero elements=40001",
                                         "copy elements=40001",
                                         "adamw elements=1",
                                         "adamw elements=40001"),
                         test_name);

INSTANTIATE_TEST_SUITE_P(
    Tables,
    HostKernel,
    testing::Values("embedding_forward tokens=1 batch=1 columns=1 table_rows=1",
                    "embedding_forward tokens=70 batch=2 columns=257 table_rows=11",
                    "embedding_backward tokens=70 batch=2 columns=257 table_rows=11",
                    "position_forward tokens=70 batch=2 columns=257 table_rows=40",
                    "position_backward tokens=70 batch=2 columns=257 table_rows=40"),
    test_name);

INSTANTIATE_TEST_SUITE_P(CrossEntropy,
                         HostKernel,
                         testing::Values("cross_entropy_max rows=1 columns=1",
                                         "cross_entropy_max rows=17 columns=1013",
                                         "cross_entropy_sum rows=1 columns=2",
                                         "cross_entropy_sum rows=17 columns=1013",
                                         "cross_entropy_gradient rows=1 columns=2",
                                         "cross_entropy_gradient rows=17 columns=1013"),
                         test_name);

// The way that CPUs with bf16 products take; elsewhere oneDNN emulates it.
TEST(NativeBf16Gemm, AgreesWithTheReference) {
  host::HostDevice device(DeviceChoice{}, host::Bf16Gemm::native);
  for (const char* text : {"gemm bf16 m=33 n=65 k=17 nn",
                           "gemm bf16 m=33 n=65 k=17 nt",
                           "gemm bf16 m=33 n=65 k=17 tn acc"}) {
    expect_agrees(device, key_of(text));
  }
}

TEST(HostRope, StartsAtTheFirstTokenHeldHere) {
  host::HostDevice device{DeviceChoice{}};
  const KernelScalars scalars{.first = 10, .rope_theta = 500000.0};
  expect_agrees(
      device, key_of("rope_forward fp32 tokens=8 batch=2 heads=2 kv_heads=1 head_size=8"), scalars);
}

TEST(HostKernelWithScalars, AgreesWithTheReference) {
  host::HostDevice device{DeviceChoice{}};
  for (const char* text : scalar_keys()) {
    expect_agrees(device, key_of(text), unusual_scalars());
  }
}

TEST(HostScale, MultipliesInPlace) {
  host::HostDevice device{DeviceChoice{}};
  for (const char* text : {"scale fp32 elements=51", "scale bf16 elements=17061"}) {
    expect_agrees(device, key_of(text), {.scale = 45.25});
  }
}

// Scores near the cap, where it bends them.
TEST(HostAttention, AgreesWhereTheCapBendsScores) {
  host::HostDevice device{DeviceChoice{}};
  for (const std::string op : {"attention_forward", "attention_backward"}) {
    expect_agrees(
        device,
        key_of(op + " fp32 batch=2 length=150 heads=4 kv_heads=2 head_size=16 causal capped"),
        {.softcap = 1.0});
  }
}

// The slopes of heads 5 to 8 of 12.
TEST(HostAttention, TakesTheSlopesOfTheHeadsHeldHere) {
  host::HostDevice device{DeviceChoice{}};
  for (const std::string op : {"attention_forward", "attention_backward"}) {
    expect_agrees(
        device,
        key_of(op + " fp32 batch=1 length=40 heads=4 kv_heads=4 head_size=16 causal alibi"),
        {.first_head = 4, .all_heads = 12});
  }
}

TEST(HostPosition, RefusesToReadBeyondTheTable) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = key_of("position_forward fp32 tokens=8 batch=2 columns=3 table_rows=4");
  const ReferenceOperands operands = random_operands(key);
  EXPECT_THROW(run_on(device, key, {.first = 2}, operands), std::invalid_argument);
}

}  // namespace
}  // namespace forerun
