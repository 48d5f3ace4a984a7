// Parameter counts against published ones, and FLOP per token against Megatron's count.
#include "jobs/parameter_count.hpp"

#include <cmath>
#include <ostream>

#include <gtest/gtest.h>

#include "jobs/read_model.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct Published {
  const char* model;
  std::int64_t parameters;
};

void PrintTo(const Published& published, std::ostream* stream) {
  *stream << published.model;
}

class PublishedCount : public ::testing::TestWithParam<Published> {};

TEST_P(PublishedCount, EqualsTheSumOfTheShapes) {
  EXPECT_EQ(count_parameters(read_model(GetParam().model)).total, GetParam().parameters);
}

// Each number is the total of model.num_parameters() or of the safetensors index that the model's
// page on huggingface.co shows (repository in the catalog file). GPT-2: transformers, without the
// buffers of the attention mask. DeepSeek-V3: main model without the multi-token-prediction
// module, "671B" in README_WEIGHTS.md of the repository.
INSTANTIATE_TEST_SUITE_P(Models,
                         PublishedCount,
                         ::testing::ValuesIn(std::to_array<Published>({
                             {"gpt2", 124'439'808},
                             {"gpt2-medium", 354'823'168},
                             {"gpt2-large", 774'030'080},
                             {"gpt2-xl", 1'557'611'200},
                             {"llama-2-7b", 6'738'415'616},
                             {"llama-2-13b", 13'015'864'320},
                             {"llama-2-70b", 68'976'648'192},
                             {"llama-3-8b", 8'030'261'248},
                             {"llama-3-70b", 70'553'706'496},
                             {"llama-3.1-405b", 405'853'388'800},
                             {"mistral-7b-v0.1", 7'241'732'096},
                             {"mixtral-8x7b", 46'702'792'704},
                             {"mixtral-8x22b", 140'630'071'296},
                             {"qwen2.5-7b", 7'615'616'512},
                             {"qwen3-8b", 8'190'735'360},
                             {"qwen3-30b-a3b", 30'532'122'624},
                             {"qwen3-235b-a22b", 235'093'634'560},
                             {"deepseek-v2", 235'741'434'880},
                             {"deepseek-v3", 671'026'419'200},
                         })),
                         [](const auto& test) {
                           std::string name = test.param.model;
                           std::erase_if(name, [](char c) { return c == '-' || c == '.'; });
                           return name;
                         });

TEST(ParameterCount, OfGpt3IsThatOfItsPaper) {
  // Brown et al. 2020, table D.1: 174,600 million parameters.
  EXPECT_NEAR(
      static_cast<double>(count_parameters(read_model("gpt3-175b")).total), 174'600e6, 50e6);
}

TEST(ParameterCount, OfGpt3sMatricesIsTwelveLayersTimesWidthSquared) {
  // 12 * 96 * 12,288^2 = 173,946,175,488; biases and norms add 13 * 12,288 a layer.
  EXPECT_EQ(count_parameters(read_model("gpt3-175b")).layers - 96 * 13 * 12'288, 173'946'175'488);
}

TEST(ParameterCount, PartsSumToTheTotal) {
  for (const std::string& name : catalog_models()) {
    const ParameterCount count = count_parameters(read_model(name));
    EXPECT_EQ(count.embedding + count.positions + count.layers + count.final_norm + count.head,
              count.total)
        << name;
  }
}

TEST(ParameterCount, LayersSumToAllLayers) {
  for (const std::string& name : catalog_models()) {
    const ModelShape model = read_model(name);
    std::int64_t sum = 0;
    for (std::int64_t layer = 0; layer < model.layers; ++layer) {
      const LayerParameters part = layer_parameters(model, layer);
      sum += part.attention + part.ffn + part.routed_experts + part.shared_experts + part.router +
             part.norms;
    }
    EXPECT_EQ(sum, count_parameters(model).layers) << name;
  }
}

TEST(ParameterCount, OfADenseModelIsAllActive) {
  const ParameterCount count = count_parameters(read_model("llama-3-8b"));
  EXPECT_EQ(count.active, count.total);
}

TEST(ParameterCount, OfTiedEmbeddingsHasNoHead) {
  const ParameterCount count = count_parameters(read_model("gpt2"));
  EXPECT_EQ(count.head, 0);
  EXPECT_EQ(count.embedding, 50257 * 768);
  EXPECT_EQ(count.positions, 1024 * 768);
  EXPECT_EQ(count.final_norm, 2 * 768);
}

TEST(LayerParameters, OfGpt2ByHand) {
  const LayerParameters layer = layer_parameters(read_model("gpt2"), 0);
  // 768 x 2304 + 2304 and 768 x 768 + 768; 2 x 768 x 3072 + 3072 + 768; two norms of 2 x 768.
  EXPECT_EQ(layer.attention, 2'362'368);
  EXPECT_EQ(layer.ffn, 4'722'432);
  EXPECT_EQ(layer.norms, 3'072);
  EXPECT_EQ(layer.router + layer.routed_experts + layer.shared_experts, 0);
}

TEST(LayerParameters, OfDeepSeekV3sDenseLayer) {
  const LayerParameters layer = layer_parameters(read_model("deepseek-v3"), 2);
  EXPECT_EQ(layer.ffn, 3 * 7168 * 18432);
  EXPECT_EQ(layer.routed_experts + layer.shared_experts + layer.router, 0);
}

TEST(LayerParameters, OfDeepSeekV3sExpertLayer) {
  const LayerParameters layer = layer_parameters(read_model("deepseek-v3"), 3);
  EXPECT_EQ(layer.ffn, 0);
  EXPECT_EQ(layer.routed_experts, std::int64_t{256} * 3 * 7168 * 2048);
  EXPECT_EQ(layer.shared_experts, 3 * 7168 * 2048);
  EXPECT_EQ(layer.router, 7168 * 256 + 256);
  // q 7168 x 1536 + 1536 + 1536 x 128 x 192; kv 7168 x 576 + 512 + 512 x 128 x 256; out 16384 x
  // 7168.
  EXPECT_EQ(layer.attention, 187'107'328);
  EXPECT_EQ(layer.norms, 2 * 7168);
}

TEST(LayerParameters, OfUncompressedLatentQueriesHaveOneMatrix) {
  ModelShape model = read_model("deepseek-v3");
  model.latent->query_rank = std::nullopt;
  // Instead of 11,010,048 + 1,536 + 37,748,736: 7168 x 128 x 192.
  EXPECT_EQ(layer_parameters(model, 0).attention,
            187'107'328 - (11'010'048 + 1'536 + 37'748'736) + 176'160'768);
}

TEST(LayerParameters, OfLatentAttentionWithBiases) {
  ModelShape model = read_model("deepseek-v3");
  model.attention.qkv_bias = model.attention.output_bias = true;
  // Biases on the two down projections (1536, 512 + 64) and on the output (7168).
  EXPECT_EQ(layer_parameters(model, 0).attention, 187'107'328 + 1536 + 576 + 7168);
}

TEST(LayerParameters, OfGatedMlpBiases) {
  ModelShape model = read_model("llama-2-7b");
  const std::int64_t without = layer_parameters(model, 0).ffn;
  model.mlp_bias = true;
  EXPECT_EQ(layer_parameters(model, 0).ffn, without + 2 * 11008 + 4096);
}

TEST(ActiveParameters, OfMixtralUseTwoOfEightExperts) {
  // 46,702,792,704 - 32 layers x 6 experts x 3 x 4096 x 14336; the paper (arXiv 2401.04088) says
  // 13B.
  EXPECT_EQ(count_parameters(read_model("mixtral-8x7b")).active, 12'879'925'248);
}

TEST(ActiveParameters, OfDeepSeekV3Are37B) {
  // arXiv 2412.19437, abstract: 37B activated. By hand: 671,026,419,200 less 58 layers x 248
  // experts x 3 x 7168 x 2048.
  EXPECT_EQ(count_parameters(read_model("deepseek-v3")).active, 37'552'297'472);
}

TEST(ActiveParameters, OfDeepSeekV2Are21B) {
  // arXiv 2405.04434, abstract: 236B parameters, of which 21B are activated.
  EXPECT_NEAR(static_cast<double>(count_parameters(read_model("deepseek-v2")).active), 21e9, 0.5e9);
}

TEST(ActiveParameters, OfQwen3MoeAreThoseOfItsReport) {
  // arXiv 2505.09388, section 2: 22B of 235B and 3B of 30B (model card: 3.3B of 30.5B).
  EXPECT_NEAR(
      static_cast<double>(count_parameters(read_model("qwen3-235b-a22b")).active), 22e9, 0.5e9);
  EXPECT_NEAR(
      static_cast<double>(count_parameters(read_model("qwen3-30b-a3b")).active), 3.3e9, 0.06e9);
}

// Llama-2-7B to Llama-3-8B at two bytes a parameter, in MiB.
double delta_mib(std::int64_t before, std::int64_t after) {
  return (2.0 * static_cast<double>(after - before) * unit::byte).in(unit::mebibyte);
}

TEST(LlamaTwoToThree, EmbeddingAndHeadGrowBy1504MiB) {
  const ParameterCount before = count_parameters(read_model("llama-2-7b"));
  const ParameterCount after = count_parameters(read_model("llama-3-8b"));
  EXPECT_EQ(delta_mib(before.embedding + before.head, after.embedding + after.head), 1504.0);
}

TEST(LlamaTwoToThree, KeyAndValueProjectionsShrinkBy1536MiB) {
  const LayerParameters before = layer_parameters(read_model("llama-2-7b"), 0);
  const LayerParameters after = layer_parameters(read_model("llama-3-8b"), 0);
  EXPECT_EQ(delta_mib(32 * before.attention, 32 * after.attention), -1536.0);
}

TEST(LlamaTwoToThree, FfnGrowsBy2496MiB) {
  const LayerParameters before = layer_parameters(read_model("llama-2-7b"), 0);
  const LayerParameters after = layer_parameters(read_model("llama-3-8b"), 0);
  EXPECT_EQ(delta_mib(32 * before.ffn, 32 * after.ffn), 2496.0);
}

TEST(LlamaTwoToThree, AllGrowBy2464MiB) {
  EXPECT_EQ(delta_mib(count_parameters(read_model("llama-2-7b")).total,
                      count_parameters(read_model("llama-3-8b")).total),
            2464.0);
}

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

}  // namespace
}  // namespace forerun
