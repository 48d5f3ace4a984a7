// Every family of config.json: its fields, its defaults and its refusals.
#include "jobs/model_family.hpp"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/jobs/family_config.hpp"

namespace forerun {
namespace {

std::string small_config(const std::string& model_type, const std::string& more = "") {
  return config_of({.hidden = 96, .layers = 4}, model_type, more);
}

std::string gpt2_config(const std::string& more = "") {
  return R"({"model_type": "gpt2", "n_embd": 96, "n_layer": 4, "n_head": 16, "vocab_size": 1000)" +
         (more.empty() ? "" : ",\n" + more) + "}";
}

TEST(EveryFamily, HasTheSizesOfTheFile) {
  for (const std::string family : {"llama",
                                   "mistral",
                                   "mixtral",
                                   "qwen2",
                                   "qwen3",
                                   "qwen3_moe",
                                   "deepseek_v2",
                                   "deepseek_v3"}) {
    const ModelShape model =
        shape_of(small_config(family, R"("num_experts_per_tok": 2, "num_key_value_heads": 4,
        "first_k_dense_replace": 1)"));
    EXPECT_EQ(model.family, family);
    EXPECT_EQ(model.hidden, 96) << family;
    EXPECT_EQ(model.ffn_hidden, 200) << family;
    EXPECT_EQ(model.layers, 4) << family;
    EXPECT_EQ(model.attention.heads, 16) << family;
    EXPECT_EQ(model.vocabulary, 1000) << family;
    EXPECT_EQ(model.norm, Norm::rms_norm) << family;
    EXPECT_EQ(model.activation, Activation::swiglu) << family;
    EXPECT_EQ(model.position, Position::rope) << family;
    EXPECT_FALSE(model.mlp_bias) << family;
  }
}

TEST(EveryFamily, ButGpt2DoesNotTieEmbeddingsByDefault) {
  for (const std::string family : {"llama", "mistral", "mixtral"}) {
    EXPECT_FALSE(shape_of(small_config(family, R"("num_key_value_heads": 4)")).tied_embeddings)
        << family;
  }
}

TEST(EveryFamily, TiesEmbeddingsWhenTold) {
  EXPECT_TRUE(shape_of(small_config("llama", R"("tie_word_embeddings": true)")).tied_embeddings);
  EXPECT_FALSE(shape_of(gpt2_config(R"("tie_word_embeddings": false)")).tied_embeddings);
}

TEST(EveryFamily, IsListedInOrder) {
  const auto families = model_families();
  EXPECT_TRUE(std::ranges::is_sorted(families));
  EXPECT_THAT(families,
              ::testing::IsSupersetOf(
                  {"bloom",       "deepseek_v2", "deepseek_v3", "falcon",     "gemma",
                   "gemma2",      "gemma3",      "gemma3_text", "glm4_moe",   "gpt2",
                   "gpt_neox",    "gpt_oss",     "gptj",        "granitemoe", "granitemoehybrid",
                   "bamba",       "jamba",       "kimi_k2",     "llama",      "llama4",
                   "llama4_text", "mamba",       "mamba2",      "mistral",    "mixtral",
                   "mpt",         "nemotron_h",  "opt",         "phi",        "phi3",
                   "qwen2",       "qwen2_moe",   "qwen3",       "qwen3_moe",  "qwen3_next"}));
}

TEST(EveryFamily, RefusesAnUnknownActivation) {
  EXPECT_EQ(config_error(small_config("llama", R"("hidden_act": "relu")")),
            "config.json:3: hidden_act 'relu' is not known; expected silu, swish, gelu, gelu_new "
            "or gelu_pytorch_tanh; the nearest is 'gelu'");
}

TEST(EveryFamily, RefusesKeyValueHeadsThatDoNotDivideTheHeads) {
  EXPECT_EQ(config_error(small_config("llama", R"("num_key_value_heads": 3)")),
            "config.json:3: num_key_value_heads 3 does not divide the 16 attention heads");
}

TEST(EveryFamily, RefusesHeadsThatDoNotDivideTheHiddenSize) {
  EXPECT_EQ(config_error(R"({"model_type": "llama", "hidden_size": 100, "intermediate_size": 200,
"num_hidden_layers": 4, "vocab_size": 1000,
"num_attention_heads": 16})"),
            "config.json:3: num_attention_heads 16 does not divide the hidden size 100");
}

TEST(Llama, DefaultsToMultiHeadAttentionWithoutBiases) {
  const ModelShape model = shape_of(small_config("llama"));
  EXPECT_EQ(model.attention.kv_heads, 16);
  EXPECT_EQ(model.attention.head_size, 6);
  EXPECT_FALSE(model.attention.qkv_bias);
  EXPECT_FALSE(model.attention.output_bias);
  EXPECT_FALSE(model.attention.qk_norm);
  EXPECT_EQ(model.attention.window, std::nullopt);
  EXPECT_EQ(model.max_positions, 2048);
  EXPECT_FALSE(model.moe.has_value());
  EXPECT_FALSE(model.latent.has_value());
}

TEST(Llama, TakesHeadsOfTheirOwnSize) {
  EXPECT_EQ(shape_of(small_config("llama", R"("head_dim": 128)")).attention.head_size, 128);
}

TEST(Llama, TakesNullForNoHeadSizeOfItsOwn) {
  EXPECT_EQ(shape_of(small_config("llama", R"("head_dim": null)")).attention.head_size, 6);
}

TEST(Llama, PutsAttentionBiasesOnAllFourProjections) {
  const ModelShape model = shape_of(small_config("llama", R"("attention_bias": true)"));
  EXPECT_TRUE(model.attention.qkv_bias);
  EXPECT_TRUE(model.attention.output_bias);
}

TEST(Llama, TakesMlpBiases) {
  EXPECT_TRUE(shape_of(small_config("llama", R"("mlp_bias": true)")).mlp_bias);
}

TEST(Mistral, DefaultsToEightKeyValueHeadsAndAWindow) {
  const ModelShape model = shape_of(small_config("mistral"));
  EXPECT_EQ(model.attention.kv_heads, 8);
  EXPECT_EQ(model.attention.window, 4096);
  EXPECT_EQ(model.max_positions, 131072);
}

TEST(Mistral, HasNoWindowWhenItIsNull) {
  EXPECT_EQ(shape_of(small_config("mistral", R"("sliding_window": null)")).attention.window,
            std::nullopt);
}

TEST(Mistral, HasAsManyKeyValueHeadsAsHeadsWhenNull) {
  EXPECT_EQ(shape_of(small_config("mistral", R"("num_key_value_heads": null)")).attention.kv_heads,
            16);
}

TEST(Mixtral, DefaultsToTwoOfEightExperts) {
  const ModelShape model = shape_of(small_config("mixtral"));
  EXPECT_EQ(model.moe->experts, 8);
  EXPECT_EQ(model.moe->top_k, 2);
  EXPECT_EQ(model.moe->expert_hidden, 200);
  EXPECT_EQ(model.moe->shared_hidden, 0);
  EXPECT_EQ(model.moe->dense_layers, 0);
  EXPECT_FALSE(model.moe->router_bias);
  EXPECT_EQ(model.attention.kv_heads, 8);
  EXPECT_EQ(model.attention.window, std::nullopt);
  EXPECT_EQ(model.max_positions, 131072);
}

TEST(Mixtral, TakesItsExpertFields) {
  const ModelShape model = shape_of(small_config(
      "mixtral", R"("num_local_experts": 16, "num_experts_per_tok": 4, "sliding_window": 512)"));
  EXPECT_EQ(model.moe->experts, 16);
  EXPECT_EQ(model.moe->top_k, 4);
  EXPECT_EQ(model.attention.window, 512);
}

TEST(Mixtral, RefusesMoreExpertsPerTokenThanExperts) {
  EXPECT_EQ(config_error(small_config("mixtral", R"("num_experts_per_tok": 9)")),
            "config.json:3: num_experts_per_tok 9 is more than the 8 experts");
}

TEST(Qwen2, BiasesQueriesKeysAndValuesOnly) {
  const ModelShape model = shape_of(small_config("qwen2", R"("num_key_value_heads": 4)"));
  EXPECT_TRUE(model.attention.qkv_bias);
  EXPECT_FALSE(model.attention.output_bias);
  EXPECT_FALSE(model.attention.qk_norm);
  EXPECT_EQ(model.max_positions, 32768);
}

TEST(Qwen2, DefaultsTo32KeyValueHeadsWhateverTheHeads) {
  EXPECT_EQ(config_error(small_config("qwen2")),
            "config.json: num_key_value_heads 32 does not divide the 16 attention heads");
}

TEST(Qwen2, HasNoWindowUnlessItIsSwitchedOn) {
  EXPECT_EQ(shape_of(small_config("qwen2", R"("num_key_value_heads": 4, "sliding_window": 64)"))
                .attention.window,
            std::nullopt);
}

TEST(Qwen2, HasAWindowInAllLayersFromTheFirst) {
  EXPECT_EQ(shape_of(small_config("qwen2", R"("num_key_value_heads": 4, "use_sliding_window": true,
"max_window_layers": 0)"))
                .attention.window,
            4096);
}

TEST(Qwen2, HasNoWindowWhenItStartsBeyondTheLastLayer) {
  EXPECT_EQ(
      shape_of(small_config("qwen2", R"("num_key_value_heads": 4, "use_sliding_window": true)"))
          .attention.window,
      std::nullopt);
}

TEST(Qwen2, HasAWindowInTheLayersBeyondTheFirst) {
  const ModelShape model =
      shape_of(small_config("qwen2", R"("num_key_value_heads": 4, "use_sliding_window": true,
"max_window_layers": 3, "sliding_window": 64)"));
  EXPECT_EQ(window_of(model, 2), std::nullopt);
  EXPECT_EQ(window_of(model, 3), 64);
}

TEST(Qwen3, NormsQueriesAndKeysAndHasHeadsOf128) {
  const ModelShape model = shape_of(small_config("qwen3", R"("num_key_value_heads": 4)"));
  EXPECT_TRUE(model.attention.qk_norm);
  EXPECT_EQ(model.attention.head_size, 128);
  EXPECT_FALSE(model.attention.qkv_bias);
  EXPECT_FALSE(model.attention.output_bias);
  EXPECT_EQ(model.max_positions, 32768);
}

TEST(Qwen3, TakesAttentionBiases) {
  const ModelShape model =
      shape_of(small_config("qwen3", R"("num_key_value_heads": 4, "attention_bias": true)"));
  EXPECT_TRUE(model.attention.qkv_bias);
  EXPECT_TRUE(model.attention.output_bias);
}

TEST(Qwen3Moe, DefaultsToEightOf128ExpertsAndFourKeyValueHeads) {
  const ModelShape model = shape_of(small_config("qwen3_moe"));
  EXPECT_EQ(model.moe->experts, 128);
  EXPECT_EQ(model.moe->top_k, 8);
  EXPECT_EQ(model.moe->expert_hidden, 768);
  EXPECT_EQ(model.moe->shared_hidden, 0);
  EXPECT_EQ(model.moe->dense_layers, 0);
  EXPECT_EQ(model.attention.kv_heads, 4);
  EXPECT_EQ(model.attention.head_size, 6);
  EXPECT_TRUE(model.attention.qk_norm);
}

TEST(Qwen3Moe, TakesItsExpertFields) {
  const ModelShape model = shape_of(small_config(
      "qwen3_moe",
      R"("num_experts": 64, "num_experts_per_tok": 4, "moe_intermediate_size": 32, "mlp_only_layers": [])"));
  EXPECT_EQ(model.moe->experts, 64);
  EXPECT_EQ(model.moe->top_k, 4);
  EXPECT_EQ(model.moe->expert_hidden, 32);
}

TEST(Qwen3Moe, TakesTheOtherNameOfItsExperts) {
  EXPECT_EQ(shape_of(small_config("qwen3_moe", R"("num_local_experts": 16)")).moe->experts, 16);
}

TEST(Qwen3Moe, HasExpertsInEverySecondLayerButThoseNamed) {
  const ModelShape model =
      shape_of(small_config("qwen3_moe", R"("decoder_sparse_step": 2, "mlp_only_layers": [3])"));
  EXPECT_EQ(kind_of(model, 0).ffn, FeedForward::dense);
  EXPECT_EQ(kind_of(model, 1).ffn, FeedForward::experts);
  EXPECT_EQ(kind_of(model, 2).ffn, FeedForward::dense);
  EXPECT_EQ(kind_of(model, 3).ffn, FeedForward::dense);
}

TEST(Gpt2, HasBiasesLayerNormAndLearnedPositions) {
  const ModelShape model = shape_of(gpt2_config());
  EXPECT_TRUE(model.attention.qkv_bias);
  EXPECT_TRUE(model.attention.output_bias);
  EXPECT_TRUE(model.mlp_bias);
  EXPECT_EQ(model.norm, Norm::layer_norm);
  EXPECT_EQ(model.activation, Activation::gelu);
  EXPECT_EQ(model.position, Position::learned);
}

TEST(Gpt2, HasTheSizesOfTheFile) {
  const ModelShape model = shape_of(gpt2_config());
  EXPECT_EQ(model.hidden, 96);
  EXPECT_EQ(model.layers, 4);
  EXPECT_EQ(model.attention.heads, 16);
  EXPECT_EQ(model.attention.kv_heads, 16);
  EXPECT_EQ(model.attention.head_size, 6);
  EXPECT_EQ(model.vocabulary, 1000);
}

TEST(Gpt2, DefaultsToFourTimesTheWidth1024PositionsAndTiedEmbeddings) {
  const ModelShape model = shape_of(gpt2_config());
  EXPECT_EQ(model.ffn_hidden, 384);
  EXPECT_EQ(model.max_positions, 1024);
  EXPECT_TRUE(model.tied_embeddings);
}

TEST(Gpt2, TakesItsOwnFields) {
  const ModelShape model = shape_of(gpt2_config(R"("n_inner": 100, "n_positions": 77)"));
  EXPECT_EQ(model.ffn_hidden, 100);
  EXPECT_EQ(model.max_positions, 77);
}

TEST(Gpt2, TakesNullForTheDefaultWidth) {
  EXPECT_EQ(shape_of(gpt2_config(R"("n_inner": null)")).ffn_hidden, 384);
}

TEST(Gpt2, RefusesAnotherActivation) {
  EXPECT_EQ(config_error(gpt2_config(R"("activation_function": "silu")")),
            "config.json:2: activation_function 'silu' is not known; expected gelu_new, gelu, "
            "gelu_fast, gelu_pytorch_tanh, relu or relu2; the nearest is 'gelu'");
}

TEST(Gpt2, RefusesHeadsThatDoNotDivideTheWidth) {
  EXPECT_EQ(config_error(R"({"model_type": "gpt2", "n_embd": 96, "n_layer": 4, "vocab_size": 10,
"n_head": 7})"),
            "config.json:2: n_head 7 does not divide the hidden size 96");
}

TEST(DeepseekV2, HasTheDefaultsOfItsClass) {
  const ModelShape model = shape_of(small_config("deepseek_v2", R"("num_experts_per_tok": 6)"));
  EXPECT_EQ(model.moe->experts, 64);
  EXPECT_EQ(model.moe->top_k, 6);
  EXPECT_EQ(model.moe->expert_hidden, 1407);
  EXPECT_EQ(model.moe->shared_hidden, 2 * 1407);
  EXPECT_EQ(model.moe->dense_layers, 0);
  EXPECT_FALSE(model.moe->router_bias);
  EXPECT_EQ(model.max_positions, 2048);
}

TEST(DeepseekV2, MustSayHowManyExpertsATokenUses) {
  EXPECT_EQ(config_error(small_config("deepseek_v2")),
            "config.json: the field 'num_experts_per_tok' is missing; expected a whole number from "
            "1 to 1000000000");
}

TEST(DeepseekV3, HasTheDefaultsOfItsClass) {
  const ModelShape model = shape_of(small_config("deepseek_v3"));
  EXPECT_EQ(model.moe->experts, 256);
  EXPECT_EQ(model.moe->top_k, 8);
  EXPECT_EQ(model.moe->expert_hidden, 2048);
  EXPECT_EQ(model.moe->shared_hidden, 2048);
  EXPECT_EQ(model.moe->dense_layers, 3);
  EXPECT_TRUE(model.moe->router_bias);
  EXPECT_EQ(model.max_positions, 4096);
  EXPECT_EQ(model.mtp_modules, 0);
}

TEST(Deepseek, HasTheLatentAttentionOfItsClass) {
  const ModelShape model = shape_of(small_config("deepseek_v3"));
  EXPECT_EQ(model.latent->query_rank, 1536);
  EXPECT_EQ(model.latent->kv_rank, 512);
  EXPECT_EQ(model.latent->nope_head_size, 128);
  EXPECT_EQ(model.latent->rope_head_size, 64);
  EXPECT_EQ(model.latent->value_head_size, 128);
  EXPECT_EQ(model.attention.head_size, 192);
  EXPECT_EQ(model.attention.kv_heads, 16);
}

TEST(Deepseek, TakesItsOwnFields) {
  const ModelShape model =
      shape_of(small_config("deepseek_v3", R"("q_lora_rank": 11, "kv_lora_rank": 12,
"qk_nope_head_dim": 13, "qk_rope_head_dim": 14, "v_head_dim": 15, "n_routed_experts": 32,
"n_shared_experts": 3, "num_experts_per_tok": 5, "moe_intermediate_size": 17,
"first_k_dense_replace": 0, "moe_layer_freq": 1, "topk_method": "greedy",
"num_nextn_predict_layers": 2, "attention_bias": true)"));
  EXPECT_EQ(model.latent->query_rank, 11);
  EXPECT_EQ(model.latent->kv_rank, 12);
  EXPECT_EQ(model.latent->nope_head_size, 13);
  EXPECT_EQ(model.latent->rope_head_size, 14);
  EXPECT_EQ(model.latent->value_head_size, 15);
  EXPECT_EQ(model.moe->experts, 32);
  EXPECT_EQ(model.moe->shared_hidden, 51);
  EXPECT_EQ(model.moe->top_k, 5);
  EXPECT_EQ(model.moe->expert_hidden, 17);
  EXPECT_EQ(model.moe->dense_layers, 0);
  EXPECT_FALSE(model.moe->router_bias);
  EXPECT_EQ(model.mtp_modules, 2);
  EXPECT_TRUE(model.attention.qkv_bias);
}

TEST(Deepseek, DoesNotCompressQueriesWhenTheRankIsNull) {
  const ModelShape model = shape_of(small_config("deepseek_v3", R"("q_lora_rank": null)"));
  EXPECT_EQ(model.latent->query_rank, std::nullopt);
}

TEST(Deepseek, HasNoSharedExpertsWhenNull) {
  EXPECT_EQ(shape_of(small_config("deepseek_v3", R"("n_shared_experts": null)")).moe->shared_hidden,
            0);
}

TEST(Deepseek, IsDenseWithoutRoutedExperts) {
  EXPECT_FALSE(
      shape_of(small_config("deepseek_v3", R"("n_routed_experts": null)")).moe.has_value());
}

TEST(Deepseek, RefusesExpertsInEverySecondLayer) {
  EXPECT_EQ(config_error(small_config("deepseek_v3", R"("moe_layer_freq": 2)")),
            "config.json:3: only moe_layer_freq 1 is modelled: experts in every layer");
}

TEST(Deepseek, RefusesMoreDenseLayersThanLayers) {
  EXPECT_EQ(config_error(small_config("deepseek_v3", R"("first_k_dense_replace": 5)")),
            "config.json:3: first_k_dense_replace 5 is more than the 4 layers");
}

}  // namespace
}  // namespace forerun
