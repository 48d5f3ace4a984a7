// The families with experts, Mamba and DeltaNet: what each layer is made of, and defaults.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/model_family.hpp"
#include "jobs/parameter_count.hpp"
#include "tests/jobs/family_config.hpp"

namespace forerun {
namespace {

std::string sparse_config(const std::string& model_type, const std::string& more = "") {
  return config_of({.hidden = 128, .layers = 16}, model_type, more);
}

std::int64_t count_mixers(const ModelShape& model, Mixer mixer) {
  return std::ranges::count(model.kinds, mixer, &LayerKind::mixer);
}

std::int64_t count_ffns(const ModelShape& model, FeedForward ffn) {
  return std::ranges::count(model.kinds, ffn, &LayerKind::ffn);
}

TEST(Qwen2Moe, HasAGatedSharedExpert) {
  const ModelShape model = shape_of(sparse_config("qwen2_moe"));
  EXPECT_EQ(model.moe->experts, 60);
  EXPECT_EQ(model.moe->top_k, 4);
  EXPECT_EQ(model.moe->expert_hidden, 1408);
  EXPECT_EQ(model.moe->shared_hidden, 5632);
  EXPECT_TRUE(model.moe->shared_gate);
  EXPECT_TRUE(model.attention.qkv_bias);
  EXPECT_FALSE(model.attention.output_bias);
}

TEST(KimiK2, IsReadAsDeepSeekV3) {
  const ModelShape kimi = shape_of(sparse_config("kimi_k2"));
  EXPECT_EQ(kimi.family, "kimi_k2");
  EXPECT_EQ(kimi.moe->experts, 256);
  EXPECT_EQ(kimi.latent->kv_rank, 512);
}

TEST(Glm4Moe, HasBiasesOnQueriesKeysAndValuesOnly) {
  const ModelShape model = shape_of(sparse_config("glm4_moe", R"("attention_bias": true)"));
  EXPECT_TRUE(model.attention.qkv_bias);
  EXPECT_FALSE(model.attention.output_bias || model.attention.qk_norm);
  EXPECT_EQ(model.attention.rotary_size, 4);
  EXPECT_EQ(model.moe->dense_layers, 1);
  EXPECT_TRUE(model.moe->router_bias);
}

TEST(GptOss, HasSinksBiasesAndAWindowInEveryOtherLayer) {
  const ModelShape model = shape_of(sparse_config("gpt_oss"));
  EXPECT_TRUE(model.attention.sinks);
  EXPECT_TRUE(model.attention.qkv_bias && model.attention.output_bias);
  EXPECT_TRUE(model.moe->router_bias && model.moe->expert_bias);
  EXPECT_EQ(model.moe->experts, 128);
  EXPECT_EQ(model.moe->top_k, 4);
  EXPECT_EQ(model.moe->expert_hidden, 200);
  EXPECT_EQ(model.attention.head_size, 64);
  EXPECT_EQ(window_of(model, 0), 128);
  EXPECT_EQ(window_of(model, 1), std::nullopt);
}

TEST(Llama4, HasChunksWithRopeAndEveryFourthLayerWithout) {
  const ModelShape model = shape_of(sparse_config("llama4_text"));
  EXPECT_TRUE(model.attention.chunked);
  EXPECT_EQ(window_of(model, 0), 8192);
  EXPECT_TRUE(kind_of(model, 2).rope);
  EXPECT_EQ(window_of(model, 3), std::nullopt);
  EXPECT_FALSE(kind_of(model, 3).rope);
  EXPECT_EQ(model.moe->shared_hidden, 200);
  EXPECT_EQ(model.moe->top_k, 1);
  EXPECT_EQ(count_ffns(model, FeedForward::experts), 16);
}

TEST(Llama4, HasWideDenseLayersBetweenThoseWithExperts) {
  const ModelShape model =
      shape_of(sparse_config("llama4_text", R"("interleave_moe_layer_step": 2)"));
  EXPECT_EQ(kind_of(model, 0).ffn, FeedForward::dense);
  EXPECT_EQ(kind_of(model, 1).ffn, FeedForward::experts);
  EXPECT_EQ(model.ffn_hidden, 16384);
  EXPECT_EQ(model.moe->expert_hidden, 200);
}

TEST(Llama4, HasExpertsInTheLayersListedEvenInNone) {
  EXPECT_EQ(count_ffns(shape_of(sparse_config("llama4_text", R"("moe_layers": [1, 3])")),
                       FeedForward::experts),
            2);
  EXPECT_EQ(count_ffns(shape_of(sparse_config(
                           "llama4_text", R"("moe_layers": [], "interleave_moe_layer_step": 0)")),
                       FeedForward::experts),
            0);
}

TEST(GraniteMoe, HasExpertsOfItsIntermediateSize) {
  const ModelShape model = shape_of(sparse_config("granitemoe"));
  EXPECT_EQ(model.moe->experts, 8);
  EXPECT_EQ(model.moe->top_k, 2);
  EXPECT_EQ(model.moe->expert_hidden, 200);
  EXPECT_FALSE(model.moe->router_bias);
}

TEST(Mamba, HasTwiceTheWidthAndASixteenthOfItForDt) {
  const ModelShape model = shape_of(
      R"({"model_type": "mamba", "hidden_size": 100, "num_hidden_layers": 3, "vocab_size": 50,
"time_step_rank": "auto"})");
  EXPECT_EQ(model.state_space->inner, 200);
  EXPECT_EQ(model.state_space->state, 16);
  EXPECT_EQ(model.state_space->conv_width, 4);
  EXPECT_EQ(model.state_space->dt_rank, 7);  // 100 / 16, rounded up
  EXPECT_TRUE(model.state_space->conv_bias);
  EXPECT_FALSE(model.state_space->projection_bias);
  EXPECT_EQ(count_mixers(model, Mixer::mamba), 3);
  EXPECT_EQ(count_ffns(model, FeedForward::none), 3);
  EXPECT_TRUE(model.tied_embeddings);
}

TEST(Mamba2, RefusesHeadsThatDoNotMakeUpTheWidth) {
  EXPECT_EQ(config_error(R"({"model_type": "mamba2", "hidden_size": 128, "num_hidden_layers": 3,
"vocab_size": 50,
"num_heads": 5})"),
            "config.json:3: num_heads 5 times head_dim 64 is not expand times hidden_size, 256");
}

TEST(Jamba, HasOneLayerOfAttentionInEightAndExpertsInEveryOther) {
  const ModelShape model = shape_of(sparse_config("jamba"));
  EXPECT_EQ(count_mixers(model, Mixer::attention), 2);
  EXPECT_EQ(kind_of(model, 4).mixer, Mixer::attention);
  EXPECT_EQ(kind_of(model, 12).mixer, Mixer::attention);
  EXPECT_EQ(count_mixers(model, Mixer::mamba), 14);
  EXPECT_EQ(count_ffns(model, FeedForward::experts), 8);
  EXPECT_EQ(kind_of(model, 1).ffn, FeedForward::experts);
  EXPECT_EQ(model.position, Position::none);
  EXPECT_TRUE(model.state_space->inner_norms);
  EXPECT_EQ(model.moe->experts, 16);
}

TEST(Jamba, RefusesAnOffsetBeyondItsPeriod) {
  EXPECT_EQ(config_error(sparse_config("jamba", R"("attn_layer_offset": 8)")),
            "config.json:3: attn_layer_offset 8 is not below attn_layer_period 8");
}

// Bamba 9B's sizes (BambaConfig's defaults, "instantiating with them gives Bamba-9.8b"): 29 Mamba
// layers, of which the state space is 256 wide.
TEST(Bamba, HasAttentionWhereItSays) {
  const ModelShape model = shape_of(
      R"({"model_type": "bamba", "hidden_size": 4096, "intermediate_size": 14336,
"num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 128000, "mamba_d_state": 256,
"attn_layer_indices": [9, 18, 27]})");
  EXPECT_EQ(count_mixers(model, Mixer::attention), 3);
  EXPECT_EQ(kind_of(model, 18).mixer, Mixer::attention);
  EXPECT_EQ(count_mixers(model, Mixer::mamba2), 29);
  EXPECT_EQ(count_ffns(model, FeedForward::dense), 32);
  EXPECT_EQ(model.attention.kv_heads, 8);
  EXPECT_EQ(model.attention.rotary_size, 64);
  EXPECT_EQ(model.state_space->heads, 128);
  EXPECT_EQ(model.state_space->groups, 1);
  EXPECT_NEAR(static_cast<double>(count_parameters(model).total) / 1e9, 9.8, 0.05);
}

TEST(Bamba, RefusesALayerThatItHasNot) {
  EXPECT_EQ(config_error(R"({"model_type": "bamba", "hidden_size": 128, "intermediate_size": 256,
"num_hidden_layers": 2, "num_attention_heads": 8, "vocab_size": 50, "mamba_n_heads": 8,
"attn_layer_indices": [2]})"),
            "config.json:3: attn_layer_indices has 2; expected 0 to 1, one of the 2 layers");
}

std::string granite(const std::string& more) {
  return R"({"model_type": "granitemoehybrid", "hidden_size": 128, "intermediate_size": 64,
"num_hidden_layers": 3, "num_attention_heads": 8, "vocab_size": 50, "mamba_n_heads": 8,
"shared_intermediate_size": 96, "layer_types": ["mamba", "attention", "mamba"])" +
         more + "}";
}

TEST(GraniteMoeHybrid, HasExpertsBesideASharedFfn) {
  const ModelShape model = shape_of(granite(R"(, "num_local_experts": 6)"));
  EXPECT_EQ(kind_of(model, 1).mixer, Mixer::attention);
  EXPECT_EQ(count_mixers(model, Mixer::mamba2), 2);
  EXPECT_EQ(count_ffns(model, FeedForward::experts), 3);
  EXPECT_EQ(model.moe->experts, 6);
  EXPECT_EQ(model.moe->expert_hidden, 64);
  EXPECT_EQ(model.moe->shared_hidden, 96);
  EXPECT_EQ(model.position, Position::none);
  EXPECT_EQ(shape_of(granite(R"(, "position_embedding_type": "rope")")).position, Position::rope);
}

TEST(GraniteMoeHybrid, HasTheSharedFfnAloneWithoutExperts) {
  const ModelShape model = shape_of(granite(R"(, "num_local_experts": 0)"));
  EXPECT_FALSE(model.moe);
  EXPECT_EQ(count_ffns(model, FeedForward::dense), 3);
  EXPECT_EQ(model.ffn_hidden, 96);
}

TEST(GraniteMoeHybrid, RefusesAnotherKindOfLayer) {
  std::string config = granite("");
  config.replace(config.find("attention\""), std::string("attention").size(), "conv");
  EXPECT_EQ(config_error(config),
            "config.json:3: layer_types 'conv' is not known; expected mamba or attention; the "
            "nearest is 'mamba'");
}

std::string nemotron(const std::string& pattern, const std::string& more = "") {
  return R"({"model_type": "nemotron_h", "hidden_size": 128, "intermediate_size": 256,
"num_hidden_layers": 4, "num_attention_heads": 16, "vocab_size": 50,
"hybrid_override_pattern": ")" +
         pattern + "\"" + more + "}";
}

TEST(NemotronH, HasTheLayersOfItsPattern) {
  const ModelShape model = shape_of(nemotron("M-*-"));
  EXPECT_EQ(kind_of(model, 0), (LayerKind{.mixer = Mixer::mamba2, .ffn = FeedForward::none}));
  EXPECT_EQ(kind_of(model, 1), (LayerKind{.mixer = Mixer::none, .ffn = FeedForward::dense}));
  EXPECT_EQ(kind_of(model, 2).mixer, Mixer::attention);
  EXPECT_EQ(kind_of(model, 2).ffn, FeedForward::none);
  EXPECT_EQ(model.activation, Activation::relu_squared);
  EXPECT_EQ(model.state_space->inner, 128 * 64);
  EXPECT_EQ(model.attention.head_size, 128);
  EXPECT_FALSE(model.moe);
}

TEST(NemotronH, HasExpertsWhereItsPatternSaysSo) {
  const ModelShape model = shape_of(nemotron("MEM*",
                                             R"(, "n_routed_experts": 8, "num_experts_per_tok": 2,
"moe_intermediate_size": 32, "moe_shared_expert_intermediate_size": 64)"));
  EXPECT_EQ(model.moe->experts, 8);
  EXPECT_EQ(model.moe->shared_hidden, 64);
  EXPECT_EQ(kind_of(model, 1).ffn, FeedForward::experts);
}

TEST(NemotronH, RefusesPatternsThatDoNotFit) {
  EXPECT_EQ(config_error(nemotron("M-*")),
            "config.json:3: hybrid_override_pattern has 3 letters for 4 layers");
  EXPECT_EQ(config_error(nemotron("M-A-")),
            "config.json:3: hybrid_override_pattern has 'A'; expected M (Mamba-2), * (attention), "
            "- (FFN) or E (experts) for each layer");
}

TEST(Qwen3Next, HasThreeLayersOfDeltaNetToOneOfAttention) {
  const ModelShape model = shape_of(sparse_config("qwen3_next"));
  EXPECT_EQ(count_mixers(model, Mixer::delta_net), 12);
  EXPECT_EQ(kind_of(model, 3).mixer, Mixer::attention);
  EXPECT_TRUE(model.attention.output_gate && model.attention.qk_norm);
  EXPECT_EQ(model.attention.rotary_size, 64);
  EXPECT_EQ(model.delta_net->value_heads, 32);
  EXPECT_EQ(model.moe->experts, 512);
  EXPECT_TRUE(model.moe->shared_gate);
}

}  // namespace
}  // namespace forerun
