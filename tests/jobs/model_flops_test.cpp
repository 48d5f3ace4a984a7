// Model FLOP per token against Megatron's count and numbers worked by hand.
#include <ostream>

#include <gtest/gtest.h>

#include "jobs/parameter_count.hpp"
#include "jobs/read_model.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct FlopPerToken {
  const char* model;
  std::int64_t sequence;
  double derived;    // worked out from the formulas of Megatron-LM, five digits
  double published;  // TFLOP/s over tokens/s in Megatron-Bridge's performance summary
};

void PrintTo(const FlopPerToken& row, std::ostream* stream) {
  *stream << row.model;
}

class GoldenFlop : public ::testing::TestWithParam<FlopPerToken> {
 protected:
  [[nodiscard]] static double computed() {
    return model_flops_per_token(read_model(GetParam().model), GetParam().sequence).in(unit::flop);
  }
};

TEST_P(GoldenFlop, IsThatOfTheFormulasWithinTheirDigits) {
  EXPECT_NEAR(computed() / GetParam().derived, 1.0, 1e-4);
}

TEST_P(GoldenFlop, IsThatOfPublishedTablesWithinHalfAPercent) {
  EXPECT_NEAR(computed() / GetParam().published, 1.0, 0.005);
}

INSTANTIATE_TEST_SUITE_P(Models,
                         GoldenFlop,
                         ::testing::ValuesIn(std::to_array<FlopPerToken>({
                             {"llama-3-8b", 8192, 5.1470e10, 5.1484e10},
                             {"llama-3-70b", 8192, 4.4922e11, 4.4881e11},
                             {"llama-3.1-405b", 8192, 2.5240e12, 2.5215e12},
                             {"deepseek-v3", 4096, 2.4981e11, 2.4974e11},
                             {"qwen3-235b-a22b", 4096, 1.4803e11, 1.4814e11},
                             {"qwen3-30b-a3b", 4096, 2.3006e10, 2.3101e10},
                         })),
                         [](const auto& test) {
                           std::string name = test.param.model;
                           std::erase_if(name, [](char c) { return c == '-' || c == '.'; });
                           return name;
                         });

TEST(ModelFlop, OfLlama8BByHand) {
  // Per layer and token, forward: 50,331,648 (q, k, v) + 33,554,432 (output) + 67,108,864 (core at
  // 8192) + 352,321,536 (FFN); head 1,050,673,152; times 32 layers, times 3 passes.
  EXPECT_EQ(model_flops_per_token(read_model("llama-3-8b"), 8192).in(unit::flop), 51'470'401'536.0);
}

TEST(ModelFlop, OfGpt3AttentionIsHalfOfTheFullSquare) {
  // Forward, causal, 2048 tokens: 2 * 96 * 12,288 * 2048 = 4.83e9 FLOP a token, three passes.
  const ModelShape model = read_model("gpt3-175b");
  const double per_token_of_context =
      (model_flops_per_token(model, 2048) - model_flops_per_token(model, 1024)).in(unit::flop);
  EXPECT_EQ(per_token_of_context, 3.0 * 2.0 * 96.0 * 12'288.0 * 1024.0);
}

TEST(ModelFlop, StopsGrowingFarBeyondTheWindow) {
  // Mean context w - w^2/(2s): 2048 at s = 4096 = w, 3072 at 8192, 4096 at infinity.
  const ModelShape model = read_model("mistral-7b-v0.1");
  const double per_key = 3.0 * 4.0 * 32.0 * 32.0 * 128.0;
  const Flops at_window = model_flops_per_token(model, 4096);
  EXPECT_DOUBLE_EQ((model_flops_per_token(model, 8192) - at_window).in(unit::flop),
                   per_key * 1024.0);
  EXPECT_DOUBLE_EQ((model_flops_per_token(model, 16384) - at_window).in(unit::flop),
                   per_key * 1536.0);
}

TEST(ModelFlop, LeavesTheRouterOut) {
  // 6 FLOP per active weight of the matrices: twice as many experts, the same top-k, nothing more.
  ModelShape model = read_model("mixtral-8x7b");
  const Flops before = model_flops_per_token(model, 4096);
  model.moe->experts *= 2;
  EXPECT_EQ(model_flops_per_token(model, 4096), before);
}

TEST(ModelFlop, CountsSharedExperts) {
  ModelShape model = read_model("deepseek-v3");
  const Flops with = model_flops_per_token(model, 4096);
  model.moe->shared_hidden = 0;
  EXPECT_EQ((with - model_flops_per_token(model, 4096)).in(unit::flop),
            6.0 * 58.0 * 3.0 * 7168.0 * 2048.0);
}

double flop(const ModelShape& model, std::int64_t sequence) {
  return model_flops_per_token(model, sequence).in(unit::flop);
}

// Windows of 4096 in 21 of 42 layers. From 4096 to 8192 tokens a full layer sees 2048 keys more on
// average, one with a window 4096 - 4096^2 / (2 x 8192) - 2048 = 1024.
TEST(ModelFlop, OfGemma2HasWindowsInHalfOfItsLayers) {
  const ModelShape model = read_model("gemma-2-9b");
  const double per_key = 6.0 * 16.0 * 2.0 * 256.0;
  EXPECT_DOUBLE_EQ(flop(model, 8192) - flop(model, 4096), per_key * 21.0 * (2048.0 + 1024.0));
}

// 52 of 62 layers of Gemma 3 27B see 1024 tokens.
TEST(ModelFlop, OfGemma3HasOneFullLayerInSix) {
  const ModelShape model = read_model("gemma-3-27b");
  const double per_key = 6.0 * 32.0 * 2.0 * 128.0;
  EXPECT_DOUBLE_EQ(flop(model, 2048) - flop(model, 1024), per_key * (10.0 * 512.0 + 52.0 * 256.0));
}

// Chunks of 8192: twice the sequence changes nothing in the 36 layers with chunks.
TEST(ModelFlop, OfLlama4AttendsInChunks) {
  const ModelShape model = read_model("llama-4-scout");
  const double per_key = 6.0 * 40.0 * 2.0 * 128.0;
  EXPECT_DOUBLE_EQ(flop(model, 16384) - flop(model, 8192), per_key * 12.0 * 4096.0);
  // 12288 = 8192 + 4096: (8192^2 + 4096^2) / 2 / 12288 = 3413 1/3 keys, 682 2/3 fewer than 4096.
  EXPECT_NEAR(
      flop(model, 12288) - flop(model, 8192), per_key * (12.0 * 2048.0 - 36.0 * 2048.0 / 3.0), 1.0);
}

// Per layer and token, forward: 2 x 2560 x 10,576 + 7 x 5120 x 128 + 2 x 5120 x 2560 = 84,951,040;
// head 2 x 2560 x 50,288; 64 layers, three passes.
TEST(ModelFlop, OfMamba2ByHand) {
  EXPECT_EQ(flop(read_model("mamba2-2.7b"), 2048), 17'083'023'360.0);
  EXPECT_EQ(flop(read_model("mamba2-2.7b"), 65536), 17'083'023'360.0);
}

// Forward: 2 x (2560 x 10,240 + 5120 x 192 + 160 x 5120 + 5120 x 2560) + 7 x 5120 x 16 =
// 82,821,120.
TEST(ModelFlop, OfMamba1ByHand) {
  EXPECT_EQ(flop(read_model("mamba-2.8b"), 2048), 16'673'955'840.0);
}

// Forward: 2 [2048 (4096 + 8192 + 64) + 4 x 8192 + 4 x 32 x 128^2 + 2048 x 4096] = 71,630,848.
TEST(ModelFlop, OfGatedDeltaNetByHand) {
  ModelShape model = read_model("qwen3-next-80b-a3b");
  model.layers = 1;
  model.kinds = {{.mixer = Mixer::delta_net, .ffn = FeedForward::none}};
  EXPECT_EQ(flop(model, 4096), 3.0 * (71'630'848.0 + 2.0 * 2048.0 * 151'936.0));
}

// Four layers in 32 attend in Jamba; per key 2 x 32 x 128 multiply-adds.
TEST(ModelFlop, OfJambaGrowsWithItsFewLayersOfAttention) {
  const ModelShape model = read_model("jamba-v0.1");
  EXPECT_DOUBLE_EQ(flop(model, 8192) - flop(model, 4096), 6.0 * 2.0 * 32.0 * 128.0 * 4.0 * 2048.0);
}

// A gate as wide as the queries: 2 h a e more, three passes.
TEST(ModelFlop, CountsTheOutputGate) {
  ModelShape model = read_model("qwen3-8b");
  const double without = flop(model, 4096);
  model.attention.output_gate = true;
  EXPECT_EQ(flop(model, 4096) - without, 6.0 * 36.0 * 4096.0 * 4096.0);
}

// Short sequences: 6 FLOP for every weight of the matrices, embedding left out.
TEST(ModelFlop, OfDenseModelsAreSixAWeight) {
  for (const char* name :
       {"gemma-7b", "gpt-neox-20b", "opt-30b", "falcon-40b", "mpt-7b", "phi-4"}) {
    const ModelShape model = read_model(name);
    const ParameterCount count = count_parameters(model);
    const double weights = static_cast<double>(count.layers + model.vocabulary * model.hidden);
    EXPECT_NEAR(flop(model, 1) / (6.0 * weights), 1.0, 1e-3) << name;
  }
}

}  // namespace
}  // namespace forerun
