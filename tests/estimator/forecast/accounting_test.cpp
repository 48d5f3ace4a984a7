// Rows H1 to H22, by the code that counts FLOP and parameters for estimates.
#include <cmath>

#include <gtest/gtest.h>

#include "jobs/forward_macs.hpp"
#include "jobs/parameter_count.hpp"
#include "jobs/read_model.hpp"
#include "units/integer.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Multi-head attention and two matrices of 4 H: 12 L H^2 parameters a layer. One vocabulary entry,
// whose output product is taken off below.
ModelShape plain(std::int64_t layers, std::int64_t hidden) {
  ModelShape model;
  model.name = "plain";
  model.layers = layers;
  model.hidden = hidden;
  model.ffn_hidden = 4 * hidden;
  model.vocabulary = 1;
  model.max_positions = 1 << 20;
  model.attention.heads = model.attention.kv_heads = hidden / 128;
  model.attention.head_size = 128;
  model.activation = Activation::gelu;
  return model;
}

// Forward FLOP of a sequence, all layers, with full attention: the count for training is three
// times the forward pass with causal attention, half of the quadratic part.
struct Forward {
  double linear = 0.0;
  double quadratic = 0.0;

  [[nodiscard]] double total() const { return linear + quadratic; }
};

Forward forward_of(const ModelShape& model, std::int64_t sequence) {
  const double head = 2.0 * real(model.hidden * model.vocabulary);
  const auto per_token = [&](std::int64_t length) {
    return model_flops_per_token(model, length).in(unit::flop) / 3.0 - head;
  };
  Forward forward;
  const double s = real(sequence);
  const double causal = (per_token(2 * sequence) - per_token(sequence)) * s;  // s/2 keys more
  forward.linear = per_token(sequence) * s - causal;
  forward.quadratic = 2.0 * causal;
  return forward;
}

struct LayerRow {
  const char* row;
  std::int64_t layers;
  std::int64_t hidden;
  std::int64_t sequence;
  double attention_gmac;
  double ffn_gmac;
  double attention_share;
  double quadratic_share;
  double forward_tflop;
};

class LayerAccounting : public testing::TestWithParam<LayerRow> {};

TEST_P(LayerAccounting, AgreesWithTheRow) {
  const LayerRow& row = GetParam();
  const Forward forward = forward_of(plain(row.layers, row.hidden), row.sequence);
  const double layers = real(row.layers);
  const double gmac = 2e9;
  const double ffn = forward.linear * 8.0 / 12.0;
  const double attention = forward.linear * 4.0 / 12.0 + forward.quadratic;
  EXPECT_NEAR(attention / layers / gmac / row.attention_gmac, 1.0, 5e-6);
  EXPECT_NEAR(ffn / layers / gmac / row.ffn_gmac, 1.0, 2e-5);
  EXPECT_NEAR(attention / forward.total(), row.attention_share, 5e-4);
  EXPECT_NEAR(forward.quadratic / forward.total(), row.quadratic_share, 5e-4);
  EXPECT_NEAR(forward.total() / 1e12 / row.forward_tflop, 1.0, 2e-5);
}

// H7 prints its share and its quadratic part with three digits.
INSTANTIATE_TEST_SUITE_P(
    RowsH1ToH7,
    LayerAccounting,
    testing::Values(LayerRow{"H1", 32, 4096, 2048, 171.799, 274.878, .3846, .0769, 28.587},
                    LayerRow{"H2", 32, 4096, 4096, 412.317, 549.756, .4286, .1429, 61.573},
                    LayerRow{"H3", 32, 4096, 8192, 1099.512, 1099.512, .5, .25, 140.737},
                    LayerRow{"H4", 32, 4096, 24576, 6597.070, 3298.535, 2.0 / 3.0, .5, 633.319},
                    LayerRow{"H5", 96, 12288, 2048, 1340.030, 2473.901, .3514, .0270, 732.275},
                    LayerRow{"H6", 96, 12288, 24576, 29686.8, 29686.8, .5, .25, 11399.7},
                    LayerRow{"H7", 32, 4096, 262144, 580542.0, 35184.0, .943, .914, 39406.0}));

// H8: 12 L H^2 and twice that a token; attention over 2,048 tokens adds 9.66e9 in full.
TEST(LayerAccountingTest, H8Gpt3) {
  const Forward forward = forward_of(plain(96, 12288), 2048);
  EXPECT_DOUBLE_EQ(forward.linear / 2048.0, 2.0 * 173'946'175'488.0);
  EXPECT_NEAR(forward.quadratic / 2048.0, 9.66e9, 0.005e9);
}

// The parts are those of the whole, and attention meets the FFN at s = 2 H, 4 H under a causal
// mask.
TEST(LayerAccountingTest, CrossoverIsAtTwiceTheWidth) {
  for (const std::int64_t hidden : {4096, 12288}) {
    const ModelShape model = plain(32, hidden);
    EXPECT_EQ(attention_crossover(model).value(), 4 * hidden);  // causal, 2 H without a mask
    const ForwardMacs macs = forward_macs(model, 4 * hidden);   // causal: half of the keys
    EXPECT_DOUBLE_EQ(macs.attention(), macs.ffn);
    EXPECT_DOUBLE_EQ(6.0 * macs.total(), model_flops_per_token(model, 4 * hidden).in(unit::flop));
  }
  EXPECT_FALSE(attention_crossover(read_model("mamba2-2.7b")));
  // Windows of 1,024 in 29 of 34 layers: (2.67e9 - 0.535e9 - 29 x 4,096 x 1,024) / (5 x 2,048).
  EXPECT_NEAR(real(attention_crossover(read_model("gemma-3-4b")).value()) / 196.8e3, 1.0, 0.01);
}

double mebibytes(double parameters) {
  return parameters * 2.0 / (1024.0 * 1024.0);
}

// H15 to H18: Llama-2 7B to Llama-3 8B, 16 bits.
TEST(ParameterDeltas, OfLlama2ToLlama3) {
  const ModelShape before = read_model("llama-2-7b");
  const ModelShape after = read_model("llama-3-8b");
  const ParameterCount a = count_parameters(before);
  const ParameterCount b = count_parameters(after);
  EXPECT_EQ(mebibytes(real(b.embedding + b.head - a.embedding - a.head)), 1504.0);  // H15
  const LayerParameters la = layer_parameters(before, 0);
  const LayerParameters lb = layer_parameters(after, 0);
  EXPECT_EQ(mebibytes(32.0 * real(lb.attention - la.attention)), -1536.0);  // H16
  EXPECT_EQ(mebibytes(32.0 * real(lb.ffn - la.ffn)), 2496.0);               // H17
  EXPECT_EQ(b.total - a.total, 1'291'845'632);                              // H18
  EXPECT_EQ(a.total, 6'738'415'616);
  EXPECT_EQ(b.total, 8'030'261'248);
}

// Jamba v0.1: 51.57B and 12.11B active; published 52B and 12B. Mixtral 8x7B: 46.70B over 12.88B is
// 3.63, not 4.
TEST(SparseCounts, OfJambaAndMixtral) {
  const ParameterCount jamba = count_parameters(read_model("jamba-v0.1"));
  EXPECT_NEAR(real(jamba.total) / 51.57e9, 1.0, 1e-3);
  EXPECT_NEAR(real(jamba.active) / 12.11e9, 1.0, 5e-3);
  EXPECT_NEAR(real(jamba.total) / 52e9, 1.0, 0.01);
  EXPECT_NEAR(real(jamba.active) / 12e9, 1.0, 0.015);
  const ParameterCount mixtral = count_parameters(read_model("mixtral-8x7b"));
  EXPECT_NEAR(real(mixtral.total) / real(mixtral.active), 3.63, 0.005);
}

ModelShape deepseek_moe(std::int64_t layers,
                        std::int64_t hidden,
                        std::int64_t heads,
                        MixtureOfExperts moe,
                        std::int64_t dense_width) {
  ModelShape model = plain(layers, hidden);
  model.activation = Activation::swiglu;
  model.attention.heads = model.attention.kv_heads = heads;
  model.attention.head_size = hidden / heads;
  model.vocabulary = 102'400;
  model.ffn_hidden = dense_width;
  model.moe = moe;
  return model;
}

// H19: 16.376B and 2.829B active; 75.9 TFLOP of training for 4,096 tokens, published 74.4 (2 %).
TEST(SparseCounts, H19DeepSeekMoe16B) {
  MixtureOfExperts moe;
  moe.experts = 64;
  moe.top_k = 6;
  moe.expert_hidden = 1408;
  moe.shared_hidden = 2 * 1408;
  moe.dense_layers = 1;
  const ModelShape model = deepseek_moe(28, 2048, 16, moe, 10'944);
  const ParameterCount count = count_parameters(model);
  EXPECT_NEAR(real(count.total) / 16.376e9, 1.0, 1e-3);
  EXPECT_NEAR(real(count.active) / 2.829e9, 1.0, 1e-3);
  const double attention = 12.0 * 28.0 * 2048.0 * 4096.0;
  // The paper leaves the embedding out.
  const double multiplied = real(count.active - count.embedding);
  const double training = (6.0 * multiplied + attention) * 4096.0;
  EXPECT_NEAR(training / 1e12, 75.9, 0.05);
  EXPECT_NEAR(training / 1e12 / 74.4, 1.0, 0.03);
}

// H20: LLaMA-2 7B takes 188.8 TFLOP (published 187.9); 74.4 over 183.5 and 187.9.
TEST(SparseCounts, H20AgainstDenseModels) {
  const double active = real(count_parameters(read_model("llama-2-7b")).total);
  const double training = (6.0 * active + 12.0 * 32.0 * 4096.0 * 4096.0) * 4096.0;
  EXPECT_NEAR(training / 1e12, 192.0, 4.0);  // with the embedding, which the paper leaves out
  EXPECT_NEAR((training - 6.0 * 32'000.0 * 4096.0 * 4096.0) / 1e12, 188.8, 0.1);
  EXPECT_NEAR(74.4 / 183.5, .4054, 5e-5);
  EXPECT_NEAR(74.4 / 187.9, .3960, 5e-5);
}

// H21 and H22: ratios of printed figures, 585.6 and 374.6 over the dense 67B's 2,057.5.
TEST(SparseCounts, H21AndH22AgainstTheDense67B) {
  EXPECT_NEAR(585.6 / 2057.5, .2846, 5e-5);
  EXPECT_NEAR(374.6 / 2057.5, .1821, 5e-5);
}

// One layer of Jamba's, nothing but its mixer: forward FLOP of a token, without the head.
double mixer_flop(Mixer mixer, std::int64_t sequence) {
  ModelShape model = read_model("jamba-v0.1");
  model.layers = 1;
  model.kinds = {{.mixer = mixer, .ffn = FeedForward::none, .rope = false}};
  return model_flops_per_token(model, sequence).in(unit::flop) / 3.0 -
         2.0 * real(model.hidden * model.vocabulary);
}

// Mamba-1's mixer at H = 4096 takes 210.3e6 FLOP beside its scan; attention 83.9e6 and, over all s
// positions, 4 x 4096 s: Mamba's is cheaper from s of about 7,789 on. Causal attention counts half.
TEST(MixerCosts, CrossOverNear7789Tokens) {
  EXPECT_NEAR(mixer_flop(Mixer::mamba, 1) / 211.3e6, 1.0, 2e-3);
  const double linear = 2.0 * mixer_flop(Mixer::attention, 1) - mixer_flop(Mixer::attention, 2);
  EXPECT_NEAR(linear / 83.9e6, 1.0, 1e-3);
  const double per_position = mixer_flop(Mixer::attention, 2) - mixer_flop(Mixer::attention, 1);
  const double crossover = (mixer_flop(Mixer::mamba, 1) - linear) / (2.0 * per_position);
  EXPECT_NEAR(crossover / 7'789.0, 1.0, 5e-3);
}

}  // namespace
}  // namespace forerun
