// The models that are compiled in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/read_model.hpp"

namespace forerun {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

TEST(Catalog, HoldsTheModelsOfPublishedRuns) {
  EXPECT_THAT(catalog_models(),
              IsSupersetOf({"gpt2",          "gpt2-medium",     "gpt2-large",     "gpt2-xl",
                            "gpt3-175b",     "llama-2-7b",      "llama-2-13b",    "llama-2-70b",
                            "llama-3-8b",    "llama-3-70b",     "llama-3.1-405b", "mistral-7b-v0.1",
                            "mixtral-8x7b",  "mixtral-8x22b",   "qwen2.5-7b",     "qwen3-8b",
                            "qwen3-30b-a3b", "qwen3-235b-a22b", "deepseek-v2",    "deepseek-v3"}));
}

TEST(Catalog, ListsNamesInOrder) {
  const auto names = catalog_models();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}

TEST(Catalog, EveryModelReadsUnderItsOwnName) {
  for (const std::string& name : catalog_models()) {
    EXPECT_EQ(read_model(name).name, name);
  }
}

TEST(Catalog, EveryModelNamesASourceOutsideThisProgram) {
  for (const std::string& name : catalog_models()) {
    EXPECT_THAT(
        read_model(name).source,
        ::testing::AnyOf(
            HasSubstr("https://huggingface.co/"), HasSubstr("arXiv"), HasSubstr("maxtext@")))
        << name;
  }
}

TEST(Catalog, ShapeOfLlama405B) {
  // Llama 3, arXiv 2407.21783, table 3.
  const ModelShape model = read_model("llama-3.1-405b");
  EXPECT_EQ(model.family, "llama");
  EXPECT_EQ(model.layers, 126);
  EXPECT_EQ(model.hidden, 16384);
  EXPECT_EQ(model.ffn_hidden, 53248);
  EXPECT_EQ(model.attention.heads, 128);
  EXPECT_EQ(model.attention.kv_heads, 8);
  EXPECT_EQ(model.attention.head_size, 128);
  EXPECT_EQ(model.vocabulary, 128256);
}

TEST(Catalog, ShapeOfDeepSeekV3) {
  // DeepSeek-V3, arXiv 2412.19437, section 4.2.
  const ModelShape model = read_model("deepseek-v3");
  EXPECT_EQ(model.layers, 61);
  EXPECT_EQ(model.hidden, 7168);
  EXPECT_EQ(model.attention.heads, 128);
  EXPECT_EQ(model.latent->kv_rank, 512);
  EXPECT_EQ(model.latent->query_rank, 1536);
  EXPECT_EQ(model.latent->nope_head_size, 128);
  EXPECT_EQ(model.latent->rope_head_size, 64);
  EXPECT_EQ(model.moe->experts, 256);
  EXPECT_EQ(model.moe->top_k, 8);
  EXPECT_EQ(model.moe->expert_hidden, 2048);
  EXPECT_EQ(model.moe->shared_hidden, 2048);
  EXPECT_EQ(model.moe->dense_layers, 3);
  EXPECT_TRUE(model.moe->router_bias);
  EXPECT_EQ(model.mtp_modules, 1);
}

TEST(Catalog, DeepSeekV2HasTwoSharedExpertsAndNoCorrectionBias) {
  // DeepSeek-V2, arXiv 2405.04434, section 3.1.2.
  const ModelShape model = read_model("deepseek-v2");
  EXPECT_EQ(model.moe->shared_hidden, 2 * 1536);
  EXPECT_FALSE(model.moe->router_bias);
  EXPECT_EQ(model.mtp_modules, 0);
}

}  // namespace
}  // namespace forerun
