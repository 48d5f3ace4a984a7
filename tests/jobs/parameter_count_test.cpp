// Parameter counts by part.
#include "jobs/parameter_count.hpp"

#include <gtest/gtest.h>

#include "jobs/read_model.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

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
      sum += part.attention + part.state_space + part.ffn + part.routed_experts +
             part.shared_experts + part.router + part.norms;
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

// 2 of 8 experts: 46.7B against 12.9B.
TEST(ActiveParameters, OfMixtralAreThreePointSixTimesFewer) {
  const ParameterCount count = count_parameters(read_model("mixtral-8x7b"));
  EXPECT_NEAR(static_cast<double>(count.total) / static_cast<double>(count.active), 3.63, 0.005);
}

TEST(LayerParameters, OfGemma2ByHand) {
  // gemma-2-9b: 3584 x (4096 + 2 x 2048) + 4096 x 3584; 3 x 3584 x 14336; four norms.
  const LayerParameters layer = layer_parameters(read_model("gemma-2-9b"), 0);
  EXPECT_EQ(layer.attention, 44'040'192);
  EXPECT_EQ(layer.ffn, 154'140'672);
  EXPECT_EQ(layer.norms, 4 * 3584);
}

TEST(LayerParameters, OfParallelBlocksHaveOneNormOrTwo) {
  EXPECT_EQ(layer_parameters(read_model("gpt-j-6b"), 0).norms, 2 * 4096);
  EXPECT_EQ(layer_parameters(read_model("gpt-neox-20b"), 0).norms, 2 * 2 * 6144);
}

TEST(LayerParameters, OfMpt7bHaveNoBias) {
  const LayerParameters layer = layer_parameters(read_model("mpt-7b"), 0);
  EXPECT_EQ(layer.attention, 4 * 4096 * 4096);
  EXPECT_EQ(layer.ffn, 8 * 4096 * 4096);
  EXPECT_EQ(layer.norms, 2 * 4096);
}

TEST(LayerParameters, OfMamba2ByHand) {
  // 2560 x (2 x 5120 + 2 x 128 + 80); 5376 x 5; 3 x 80; 5120; 5120 x 2560.
  const LayerParameters layer = layer_parameters(read_model("mamba2-2.7b"), 0);
  EXPECT_EQ(layer.state_space, 27'074'560 + 26'880 + 240 + 5'120 + 13'107'200);
  EXPECT_EQ(layer.norms, 2560);
  EXPECT_EQ(layer.attention + layer.ffn, 0);
}

TEST(LayerParameters, OfGptOssCountBiasesAndSinks) {
  // 2880 x 5120 + 5120; 4096 x 2880 + 2880; 64 sinks. An expert: 2880 x 5760 + 5760, 2880 x 2880 +
  // 2880. Router: 128 x 2881.
  const LayerParameters layer = layer_parameters(read_model("gpt-oss-120b"), 0);
  EXPECT_EQ(layer.attention, 14'745'600 + 5'120 + 11'796'480 + 2'880 + 64);
  EXPECT_EQ(layer.routed_experts, std::int64_t{128} * (16'588'800 + 5'760 + 8'294'400 + 2'880));
  EXPECT_EQ(layer.router, 128 * 2881);
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

}  // namespace
}  // namespace forerun
