// The families of dense decoders beyond Llama and GPT-2: what each has and its defaults.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/model_family.hpp"
#include "tests/jobs/family_config.hpp"

namespace forerun {
namespace {

std::string dense_config(const std::string& model_type, const std::string& more = "") {
  return config_of({.hidden = 96, .layers = 12}, model_type, more);
}

TEST(Gemma, HasGegluHeadsOf256AndScaledTiedEmbeddings) {
  const ModelShape model = shape_of(dense_config("gemma"));
  EXPECT_EQ(model.activation, Activation::geglu);
  EXPECT_EQ(model.attention.head_size, 256);
  EXPECT_EQ(model.attention.kv_heads, 16);
  EXPECT_TRUE(model.embedding_scale);
  EXPECT_TRUE(model.tied_embeddings);
  EXPECT_FALSE(model.post_norms);
  EXPECT_EQ(model.max_positions, 8192);
}

TEST(Gemma2, AlternatesWindowAndFullAndCapsScoresAndLogits) {
  const ModelShape model = shape_of(dense_config("gemma2"));
  EXPECT_EQ(model.attention.kv_heads, 4);
  EXPECT_TRUE(model.post_norms);
  EXPECT_EQ(model.attention.softcap, 50.0);
  EXPECT_EQ(model.logit_softcap, 30.0);
  EXPECT_EQ(window_of(model, 0), 4096);
  EXPECT_EQ(window_of(model, 1), std::nullopt);
  EXPECT_FALSE(model.attention.qk_norm);
}

TEST(Gemma2, HasNoCapWhereItIsNull) {
  const ModelShape model = shape_of(
      dense_config("gemma2", R"("attn_logit_softcapping": null, "final_logit_softcapping": null)"));
  EXPECT_EQ(model.attention.softcap, std::nullopt);
  EXPECT_EQ(model.logit_softcap, std::nullopt);
}

// The published files leave out what the class knows.
TEST(Gemma3, ReadsTheTextModelOfAFileWithoutHeadsAndVocabulary) {
  const ModelShape model =
      shape_of(R"({"model_type": "gemma3", "vision_config": {"hidden_size": 1152},
"text_config": {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
"sliding_window": 1024, "model_type": "gemma3_text"}})");
  EXPECT_EQ(model.hidden, 2560);
  EXPECT_EQ(model.attention.heads, 8);
  EXPECT_EQ(model.attention.kv_heads, 4);
  EXPECT_EQ(model.attention.head_size, 256);
  EXPECT_EQ(model.vocabulary, 262208);
  EXPECT_TRUE(model.attention.qk_norm);
  EXPECT_TRUE(model.post_norms);
  EXPECT_EQ(model.attention.softcap, std::nullopt);
  EXPECT_EQ(window_of(model, 4), 1024);
  EXPECT_EQ(window_of(model, 5), std::nullopt);
  EXPECT_EQ(window_of(model, 6), 1024);
}

TEST(Gemma3, NamesAMissingFieldOfItsTextModel) {
  EXPECT_EQ(config_error(R"({"model_type": "gemma3", "text_config": {"hidden_size": 2560}})"),
            "config.json: the field 'text_config.num_hidden_layers' is missing; expected a whole "
            "number from 1 to 1000000000");
}

TEST(LayerTypes, SayWhichLayersHaveAWindow) {
  const ModelShape model = shape_of(R"({"model_type": "gemma3_text", "hidden_size": 96,
"intermediate_size": 200, "num_hidden_layers": 3, "num_attention_heads": 4,
"layer_types": ["full_attention", "sliding_attention", "full_attention"]})");
  EXPECT_EQ(window_of(model, 0), std::nullopt);
  EXPECT_EQ(window_of(model, 1), 4096);
  EXPECT_EQ(window_of(model, 2), std::nullopt);
}

TEST(LayerTypes, AreAsManyAsLayersAndKnown) {
  EXPECT_EQ(config_error(dense_config("gemma2", R"("layer_types": ["full_attention"])")),
            "config.json:3: layer_types has 1 entries for 12 layers");
  EXPECT_EQ(config_error(R"({"model_type": "gemma2", "hidden_size": 96, "intermediate_size": 200,
"num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 9,
"layer_types": ["ful_attention"]})"),
            "config.json:3: layer_types 'ful_attention' is not known; expected full_attention, "
            "sliding_attention, chunked_attention or linear_attention; the nearest is "
            "'full_attention'");
}

TEST(Phi3, HasNoBiasesAndNoWindowUnlessSaid) {
  const ModelShape model = shape_of(dense_config("phi3", R"("hidden_size": 128)"));
  EXPECT_EQ(model.norm, Norm::rms_norm);
  EXPECT_EQ(model.activation, Activation::swiglu);
  EXPECT_EQ(model.attention.kv_heads, 16);
  EXPECT_EQ(model.attention.window, std::nullopt);
  EXPECT_EQ(model.attention.rotary_size, 0);
  EXPECT_EQ(shape_of(dense_config("phi3", R"("sliding_window": 2047)")).attention.window, 2047);
}

TEST(Phi, IsParallelWithBiasesEverywhere) {
  const ModelShape model = shape_of(dense_config("phi", R"("hidden_size": 128)"));
  EXPECT_EQ(model.block, Block::parallel);
  EXPECT_TRUE(model.attention.qkv_bias && model.attention.output_bias);
  EXPECT_TRUE(model.mlp_bias && model.head_bias && model.norm_bias);
  EXPECT_EQ(model.norm, Norm::layer_norm);
  EXPECT_EQ(model.activation, Activation::gelu);
  EXPECT_EQ(model.attention.rotary_size, 4);  // half of 8
  EXPECT_FALSE(model.tied_embeddings);
}

TEST(Phi, RefusesNormsOfQueriesAndKeys) {
  EXPECT_EQ(config_error(dense_config("phi", R"("hidden_size": 128, "qk_layernorm": true)")),
            "config.json:3: only qk_layernorm false is modelled");
}

TEST(GptNeox, HasTwoNormsBesideEachOtherAndAQuarterRotary) {
  const ModelShape model = shape_of(dense_config("gpt_neox", R"("hidden_size": 128)"));
  EXPECT_EQ(model.block, Block::parallel_two_norms);
  EXPECT_EQ(model.attention.rotary_size, 2);
  EXPECT_TRUE(model.attention.qkv_bias && model.attention.output_bias && model.mlp_bias);
  EXPECT_FALSE(model.head_bias || model.tied_embeddings);
}

TEST(GptNeox, IsSequentialWhenTold) {
  EXPECT_EQ(
      shape_of(dense_config("gpt_neox", R"("hidden_size": 128, "use_parallel_residual": false)"))
          .block,
      Block::sequential);
}

TEST(GptNeox, RefusesARotaryPartThatGivesNoPairs) {
  EXPECT_EQ(config_error(dense_config("gpt_neox", R"("hidden_size": 64)")),
            "config.json: rotary_pct 0.25 of heads of 4 elements does not give pairs to turn");
}

TEST(Gptj, HasOneNormAndBiasesOfFfnAndHead) {
  const ModelShape model = shape_of(
      R"({"model_type": "gptj", "n_embd": 256, "n_layer": 2, "n_head": 2, "vocab_size": 50})");
  EXPECT_EQ(model.block, Block::parallel);
  EXPECT_FALSE(model.attention.qkv_bias || model.attention.output_bias);
  EXPECT_TRUE(model.mlp_bias && model.head_bias);
  EXPECT_EQ(model.attention.rotary_size, 64);
  EXPECT_EQ(model.ffn_hidden, 1024);
}

TEST(Opt, HasReluAndTwoUnusedPositions) {
  const ModelShape model = shape_of(dense_config("opt", R"("ffn_dim": 300)"));
  EXPECT_EQ(model.activation, Activation::relu);
  EXPECT_EQ(model.ffn_hidden, 300);
  EXPECT_EQ(position_rows(model), 2050);
  EXPECT_TRUE(model.tied_embeddings);
}

TEST(Opt, RefusesWhatOpt350mHas) {
  EXPECT_EQ(config_error(dense_config("opt", R"("ffn_dim": 300, "do_layer_norm_before": false)")),
            "config.json:3: only do_layer_norm_before true is modelled");
  EXPECT_EQ(config_error(dense_config("opt", R"("ffn_dim": 300, "word_embed_proj_dim": 48)")),
            "config.json:3: only a word_embed_proj_dim of the hidden size 96 is modelled");
}

TEST(Bloom, HasAlibiAndANormBehindTheEmbedding) {
  for (const char* names : {R"("n_embed": 96, "n_layer": 3, "num_attention_heads": 4)",
                            R"("hidden_size": 96, "n_layer": 3, "n_head": 4)"}) {
    const ModelShape model =
        shape_of(std::string(R"({"model_type": "bloom", "vocab_size": 50, )") + names + "}");
    EXPECT_EQ(model.hidden, 96);
    EXPECT_EQ(model.layers, 3);
    EXPECT_EQ(model.attention.heads, 4);
    EXPECT_EQ(model.position, Position::alibi);
    EXPECT_TRUE(model.embedding_norm);
    EXPECT_TRUE(model.attention.qkv_bias && model.mlp_bias);
  }
}

TEST(Falcon, DefaultsToOneNormAndOneKeyValueHead) {
  const ModelShape model = shape_of(dense_config("falcon", R"("num_kv_heads": 16)"));
  EXPECT_EQ(model.block, Block::parallel);
  EXPECT_EQ(model.attention.kv_heads, 1);
  EXPECT_EQ(model.position, Position::rope);
  EXPECT_EQ(model.ffn_hidden, 4 * 96);
  EXPECT_FALSE(model.attention.qkv_bias || model.mlp_bias);
  EXPECT_TRUE(model.norm_bias);
}

TEST(Falcon, HasTwoNormsAndGroupsInItsNewArchitecture) {
  const ModelShape model =
      shape_of(dense_config("falcon", R"("new_decoder_architecture": true, "num_kv_heads": 4)"));
  EXPECT_EQ(model.block, Block::parallel_two_norms);
  EXPECT_EQ(model.attention.kv_heads, 4);
  EXPECT_EQ(shape_of(dense_config("falcon", R"("new_decoder_architecture": true, "num_kv_heads": 4,
"num_ln_in_parallel_attn": 1)"))
                .block,
            Block::parallel);
}

TEST(Falcon, IsSequentialWithAlibiAsFalconRw) {
  const ModelShape model = shape_of(dense_config(
      "falcon", R"("alibi": true, "multi_query": false, "parallel_attn": false, "bias": true)"));
  EXPECT_EQ(model.block, Block::sequential);
  EXPECT_EQ(model.position, Position::alibi);
  EXPECT_EQ(model.attention.kv_heads, 16);
  EXPECT_TRUE(model.mlp_bias);
}

TEST(Mpt, HasAlibiAndNoBiasAnywhere) {
  const ModelShape model = shape_of(
      R"({"model_type": "mpt", "d_model": 96, "n_layers": 2, "n_heads": 4, "vocab_size": 50})");
  EXPECT_EQ(model.position, Position::alibi);
  EXPECT_FALSE(model.norm_bias || model.mlp_bias || model.attention.qkv_bias);
  EXPECT_EQ(model.norm, Norm::layer_norm);
  EXPECT_TRUE(model.tied_embeddings);
}

TEST(Mpt, TakesItsInnerFields) {
  const ModelShape model = shape_of(R"({"model_type": "mpt", "d_model": 96, "n_layers": 2,
"n_heads": 4, "vocab_size": 50, "attn_config": {"alibi": false}})");
  EXPECT_EQ(model.position, Position::learned);
  EXPECT_EQ(config_error(R"({"model_type": "mpt", "d_model": 96, "n_layers": 2, "n_heads": 4,
"vocab_size": 50, "attn_config": {
"attn_type": "multiquery_attention"}})"),
            "config.json:3: attn_type 'multiquery_attention' is not known; expected "
            "multihead_attention; the nearest is 'multihead_attention'");
}

TEST(EveryFamily, RefusesMoreLayersThanAListHolds) {
  EXPECT_EQ(config_error(R"({"model_type": "phi", "num_hidden_layers": 10001})"),
            "config.json:1: num_hidden_layers is 10001; expected at most 10000");
}

}  // namespace
}  // namespace forerun
