// Shapes drawn at random from fixed seeds, shapes that need several threads, and many shapes one
// after another on one device, whose caches must keep them apart.
#include <algorithm>
#include <array>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <omp.h>

#include "kernels/host/parallel_ranges.hpp"
#include "tests/kernels/host_kernel_fixture.hpp"
#include "tests/kernels/own_kernel_keys.hpp"

namespace forerun {
namespace {

using Texts = std::vector<std::string>;

class Draw {
 public:
  explicit Draw(unsigned seed) : engine_(seed) {}

  int from(int least, int most) { return std::uniform_int_distribution<int>(least, most)(engine_); }

  bool one_in(int n) { return from(1, n) == 1; }

  // A single row or column one time in five.
  int size(int most) { return one_in(5) ? 1 : from(1, most); }

 private:
  std::mt19937 engine_;
};

void add(Texts& texts, std::initializer_list<const char*> ops, const std::string& shape) {
  for (const char* op : ops) {
    texts.push_back(fmt::format("{} {}", op, shape));
  }
}

Texts products(Draw& draw) {
  constexpr std::array layouts{"nn", "nt", "tn", "nn acc", "nt acc", "tn acc"};
  const auto layout = [&] { return layouts.at(static_cast<std::size_t>(draw.from(0, 5))); };
  Texts texts;
  const int m = draw.size(200);
  const int n = draw.size(200);
  add(texts, {"gemm"}, fmt::format("m={} n={} k={} {}", m, n, draw.size(400), layout()));
  const int groups = draw.from(1, 12);
  const int rows = draw.from(groups, 150);
  const int largest = draw.from((rows + groups - 1) / groups, rows);
  add(texts,
      {"grouped_gemm"},
      fmt::format("groups={} rows={} largest={} n={} k={} {}",
                  groups,
                  rows,
                  groups == 1 ? rows : largest,
                  draw.from(1, 70),
                  draw.from(1, 70),
                  layout()));
  return texts;
}

Texts attentions(Draw& draw) {
  const int kv_heads = draw.from(1, 2);
  const int heads = kv_heads * draw.from(1, 3);
  const int head_size = draw.one_in(4) ? 192 : draw.from(1, 80);
  const char* mask = draw.one_in(3) ? "full" : "causal";
  const std::string sizes =
      fmt::format("heads={} kv_heads={} head_size={}", heads, kv_heads, head_size);
  std::string rest;
  if (draw.one_in(3)) {
    rest += fmt::format(" keys={}", draw.from(1, 260));
  }
  if (draw.one_in(3)) {
    rest += fmt::format(" offset={}", draw.from(-200, 200));
  }
  if (draw.one_in(3)) {
    rest += fmt::format(" window={}", draw.from(1, 250));
  }
  if (draw.one_in(2)) {
    rest += fmt::format(" value_size={}", head_size == 192 ? 128 : draw.from(1, head_size));
  }
  rest += draw.one_in(4) ? " capped" : "";
  Texts texts;
  add(texts,
      {"attention_forward", "attention_backward"},
      fmt::format(
          "batch={} length={} {} {}{}", draw.from(1, 2), draw.size(200), sizes, mask, rest));
  add(texts,
      {"decode_attention", "latent_decode_attention"},
      fmt::format("batch={} context={} {}", draw.from(1, 3), draw.from(1, 500), sizes));
  add(texts,
      {"scores_forward",
       "softmax_forward",
       "context_forward",
       "context_backward",
       "softmax_backward",
       "scores_backward"},
      fmt::format("batch={} length={} {} {}", draw.from(1, 2), draw.size(90), sizes, mask));
  return texts;
}

Texts row_ops(Draw& draw) {
  Texts texts;
  // A single column has no variance, and its gradients through LayerNorm are zero but for
  // roundings.
  const std::string shape = fmt::format("rows={} columns={}", draw.size(150), draw.from(3, 400));
  add(texts,
      {"rms_norm_forward",
       "rms_norm_backward",
       "layer_norm_forward",
       "layer_norm_backward",
       "layer_norm_nobias_forward",
       "layer_norm_nobias_backward",
       "add_rms_norm_forward",
       "add_rms_norm_backward",
       "add_layer_norm_forward",
       "add_layer_norm_backward",
       "swiglu_forward",
       "swiglu_backward",
       "gelu_forward",
       "gelu_backward",
       "geglu_forward",
       "geglu_backward",
       "relu_forward",
       "relu_backward",
       "softcap_forward",
       "softcap_backward",
       "add",
       "bias_forward",
       "bias_backward",
       "dropout_forward",
       "dropout_backward",
       "bias_dropout_add_forward",
       "bias_gelu_forward",
       "bias_gelu_backward",
       "cross_entropy_max",
       "cross_entropy_sum",
       "cross_entropy_gradient"},
      shape);
  add(texts,
      {"copy",
       "zero",
       "widen",
       "narrow",
       "accumulate",
       "square_sum",
       "scale",
       "dequantize",
       "adamw"},
      fmt::format("elements={}", draw.size(50000)));
  const int batch = draw.from(1, 4);
  add(texts,
      {"embedding_forward", "embedding_backward", "position_forward", "position_backward"},
      fmt::format("tokens={} batch={} columns={} table_rows={}",
                  batch * draw.from(1, 60),
                  batch,
                  draw.size(200),
                  draw.from(60, 120)));
  const int kv_heads = draw.from(1, 3);
  const int half = draw.from(1, 60);
  add(texts,
      {"qk_norm_forward", "qk_norm_backward", "rope_forward", "rope_backward"},
      fmt::format("tokens={} batch={} heads={} kv_heads={} head_size={}",
                  batch * draw.from(1, 60),
                  batch,
                  kv_heads * draw.from(1, 4),
                  kv_heads,
                  2 * half));
  return texts;
}

Texts experts(Draw& draw) {
  const int count = draw.from(1, 70);
  const int top_k = draw.from(1, std::min(count, 8));
  Texts texts;
  add(texts,
      {"router_forward", "router_backward"},
      fmt::format("tokens={} experts={} top_k={}", draw.size(900), count, top_k));
  add(texts,
      {"permute_forward", "permute_backward", "unpermute_forward", "unpermute_backward"},
      fmt::format("tokens={} top_k={} columns={}", draw.size(200), top_k, draw.size(150)));
  return texts;
}

Texts scans(Draw& draw) {
  const int groups = draw.from(1, 2);
  Texts texts;
  add(texts,
      {"conv1d_forward", "conv1d_backward"},
      fmt::format("batch={} length={} channels={} width={}",
                  draw.from(1, 3),
                  draw.size(100),
                  draw.size(200),
                  draw.from(1, 6)));
  add(texts,
      {"ssd_forward", "ssd_backward"},
      fmt::format("batch={} length={} heads={} head_size={} groups={} state={} chunk={}",
                  draw.from(1, 2),
                  draw.size(250),
                  groups * draw.from(1, 3),
                  draw.from(1, 40),
                  groups,
                  draw.from(1, 60),
                  draw.from(1, 130)));
  add(texts,
      {"selective_scan_forward", "selective_scan_backward"},
      fmt::format("batch={} length={} channels={} state={}",
                  draw.from(1, 2),
                  draw.size(150),
                  draw.size(100),
                  draw.from(1, 20)));
  return texts;
}

// One device for all: what it keeps of a shape must not be taken for that of another.
void expect_random_shapes_agree(Texts (*texts_of)(Draw&), int rounds) {
  host::HostDevice device{DeviceChoice{}};
  Draw draw(20240229);
  for (int i = 0; i < rounds; ++i) {
    for (const std::string& text : texts_of(draw)) {
      for (const char* type : {"fp32", "bf16"}) {
        expect_agrees(device, key_of(with_type(text, type)), {}, static_cast<unsigned>(i + 1));
      }
    }
  }
}

TEST(RandomShapes, OfProductsAgree) {
  expect_random_shapes_agree(products, 25);
}

TEST(RandomShapes, OfAttentionAgree) {
  expect_random_shapes_agree(attentions, 8);
}

TEST(RandomShapes, OfRowsAgree) {
  expect_random_shapes_agree(row_ops, 5);
}

TEST(RandomShapes, OfExpertsAgree) {
  expect_random_shapes_agree(experts, 6);
}

TEST(RandomShapes, OfScansAgree) {
  expect_random_shapes_agree(scans, 8);
}

// At least one for every op, large enough for its kernel to start a second thread, and with odd
// numbers of rows.
const Texts& wide_keys() {
  static const Texts texts = [] {
    Texts all;
    Draw draw(7);
    for (const std::string& text : row_ops(draw)) {
      const std::string op = text.substr(0, text.find(' '));
      if (text.find(" rows=") != std::string::npos) {
        add(all, {op.c_str()}, "rows=103 columns=333");
      } else if (text.find("elements=") != std::string::npos) {
        add(all, {op.c_str()}, "elements=70001");
      } else if (text.find("table_rows=") != std::string::npos) {
        add(all, {op.c_str()}, "tokens=206 batch=2 columns=333 table_rows=111");
      } else {
        add(all, {op.c_str()}, "tokens=206 batch=2 heads=6 kv_heads=2 head_size=34");
      }
    }
    add(all, {"gemm"}, "m=255 n=257 k=129 nt");
    add(all, {"gemm"}, "m=1 n=513 k=1000 nt");
    add(all, {"grouped_gemm"}, "groups=5 rows=300 largest=120 n=130 k=140 nt");
    add(all,
        {"attention_forward", "attention_backward"},
        "batch=2 length=150 heads=5 kv_heads=5 head_size=32 causal");
    add(all, {"decode_attention"}, "batch=3 context=300 heads=5 kv_heads=5 head_size=64");
    add(all,
        {"latent_decode_attention"},
        "batch=3 context=300 heads=5 kv_heads=1 head_size=72 value_size=64");
    add(all,
        {"scores_forward",
         "softmax_forward",
         "context_forward",
         "context_backward",
         "softmax_backward",
         "scores_backward"},
        "batch=2 length=75 heads=5 kv_heads=5 head_size=48 causal");
    add(all, {"router_forward", "router_backward"}, "tokens=1001 experts=40 top_k=3");
    add(all,
        {"permute_forward", "permute_backward", "unpermute_forward", "unpermute_backward"},
        "tokens=301 top_k=2 columns=130");
    add(all, {"conv1d_forward", "conv1d_backward"}, "batch=2 length=101 channels=333 width=4");
    add(all,
        {"ssd_forward", "ssd_backward"},
        "batch=2 length=330 heads=6 head_size=20 groups=1 state=64 chunk=16");
    add(all,
        {"selective_scan_forward", "selective_scan_backward"},
        "batch=2 length=130 channels=197 state=7");
    add(all,
        {"relu_squared_forward",
         "relu_squared_backward",
         "row_gate_forward",
         "row_gate_backward",
         "sigmoid_gate_forward",
         "sigmoid_gate_backward"},
        "rows=103 columns=333");
    add(all, {"gated_norm_forward", "gated_norm_backward"}, "rows=103 columns=336 groups=3");
    add(all, {"take_columns", "put_columns"}, "rows=303 columns=300 width=517 first=217");
    add(all,
        {"latent_query_forward",
         "latent_query_backward",
         "latent_keys_forward",
         "latent_keys_backward"},
        "tokens=206 batch=2 heads=6 nope_size=34 rope_size=16 value_size=30");
    return all;
  }();
  return texts;
}

// Three threads, whatever the machine has: more cores than two need not be there for them to run.
class ManyThreads : public testing::Test {
 protected:
  void SetUp() override { omp_set_num_threads(3); }

  host::HostDevice device_{DeviceChoice{}};
};

TEST_F(ManyThreads, Agree) {
  for (const std::string& text : wide_keys()) {
    for (const char* type : {"fp32", "bf16"}) {
      expect_agrees(device_, key_of(with_type(text, type)));
    }
  }
  expect_agrees(device_, key_of("expert_sort int32 tokens=9001 experts=70 top_k=3"));
}

TEST_F(ManyThreads, AreAskedForByAKeyOfEveryOp) {
  // The key of the first is above; the second is of FP8 only, the others no device runs.
  std::set<KernelOp> ops{KernelOp::expert_sort,
                         KernelOp::cast,
                         KernelOp::delta_rule_forward,
                         KernelOp::delta_rule_backward};
  for (const std::string& text : wide_keys()) {
    const KernelKey key = key_of(with_type(text, "fp32"));
    std::int64_t largest = 0;
    for (const Operand& operand : operands_of(key)) {
      largest = std::max(largest, operand.elements);
    }
    EXPECT_GE(largest, 2 * host::least_parallel_elements) << text;
    ops.insert(key.op);
  }
  for (int i = 0; !name_of(static_cast<KernelOp>(i)).empty(); ++i) {
    const auto op = static_cast<KernelOp>(i);
    EXPECT_TRUE(ops.contains(op)) << name_of(op);
  }
}

// The same block and head size, once with smaller values, and back.
TEST(OneDevice, KeepsAttentionOfTwoValueSizesApart) {
  host::HostDevice device{DeviceChoice{}};
  for (const char* rest : {"", " value_size=16", " value_size=40", ""}) {
    for (const char* op : {"attention_forward", "attention_backward"}) {
      expect_agrees(
          device,
          key_of(fmt::format(
              "{} fp32 batch=1 length=70 heads=2 kv_heads=2 head_size=24 causal{}", op, rest)));
    }
  }
}

TEST(OneDevice, KeepsRotationsOfTwoBasesApart) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key =
      key_of("rope_forward fp32 tokens=64 batch=2 heads=3 kv_heads=1 head_size=64");
  for (const double theta : {10000.0, 500000.0, 10000.0}) {
    expect_agrees(device, key, {.rope_theta = theta});
  }
}

// As the logits of a fresh model: a tanh that is exact to a part of 1 is not enough.
TEST(HostSoftcap, KeepsItsAccuracyOnSmallInputs) {
  host::HostDevice device{DeviceChoice{}};
  for (const double size : {0.1, 0.02, 1e-4}) {
    const KernelKey key = key_of("softcap_forward fp32 rows=33 columns=517");
    ReferenceOperands expected = random_operands(key);
    for (double& x : expected[0]) {
      x = stored(size * x, DataType::fp32);
    }
    const ReferenceOperands actual = run_on(device, key, {}, expected);
    run_reference(key, {}, expected);
    EXPECT_LE(relative_error(actual[1], expected[1]), 1e-6) << size;
  }
}

}  // namespace
}  // namespace forerun
