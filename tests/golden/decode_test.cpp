// `measure --decode`: steps of generation, really run on one or two ranks. No times are asserted.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/golden/program.hpp"

namespace forerun {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// DeepSeek's structure: a dense first layer, then two of 8 experts and a shared one; latent
// attention of 16 + 8 elements a token.
constexpr const char* tiny_deepseek =
    R"({"model_type": "deepseek_v2", "hidden_size": 64, "intermediate_size": 96,
"num_hidden_layers": 3, "num_attention_heads": 8, "num_key_value_heads": 8, "kv_lora_rank": 16,
"q_lora_rank": null, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16,
"first_k_dense_replace": 1, "moe_layer_freq": 1, "moe_intermediate_size": 32,
"n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 2, "hidden_act": "silu",
"vocab_size": 1000, "max_position_embeddings": 64, "tie_word_embeddings": false,
"topk_method": "greedy", "attention_bias": false})";

constexpr const char* shape = " --seq 32 --precision fp32 --format json";

// A line through five lengths with its intervals, and words per minute that follow from the step.
void expect_decode(const json& document, double sequences) {
  ASSERT_EQ(document["decode"].size(), 5U);
  EXPECT_EQ(document["decode"][4]["context"], 32);
  for (const json& row : document["decode"]) {
    const double step = row["step_s"];
    EXPECT_GT(step, 0.0);
    EXPECT_LE(row["low_s"].get<double>(), step);
    EXPECT_GE(row["high_s"].get<double>(), step);
    EXPECT_NEAR(row["words_per_minute"].get<double>() * step, 45.0, 1e-9);
    EXPECT_NEAR(row["tokens_per_s"].get<double>() * step, sequences, 1e-9);
  }
  EXPECT_GT(document["fit"]["slope_half_width_s_per_token"].get<double>(), 0.0);
  EXPECT_GT(document["fit"]["intercept_half_width_s"].get<double>(), 0.0);
}

struct DecodeCall {
  const char* name;
  const char* model;
  const char* options;
  int ranks;
  double sequences;
};

class Decode : public testing::TestWithParam<DecodeCall> {};

TEST_P(Decode, TimesStepsAndFitsALine) {
  const TestFolder folder;
  folder.write("tiny.json", GetParam().model);
  const auto run =
      run_program(std::string("measure --decode --model tiny.json ") + GetParam().options + shape,
                  folder.path(),
                  GetParam().ranks);
  ASSERT_EQ(run.status, 0) << run.log;
  expect_decode(json::parse(run.out), GetParam().sequences);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds,
    Decode,
    testing::Values(DecodeCall{"DenseOnTwoRanks", tiny_llama, "--layout tp=2", 2, 1.0},
                    DecodeCall{"LatentExpertsAlone", tiny_deepseek, "--batch 3", 0, 3.0},
                    DecodeCall{"LatentExpertsAsTensors", tiny_deepseek, "--layout tp=2", 2, 1.0},
                    DecodeCall{"LatentExpertsApart", tiny_deepseek, "--layout dp=2,ep=2", 2, 2.0}),
    [](const auto& call) { return std::string(call.param.name); });

TEST(DecodeCalls, OfUnevenBatchesAreRefused) {
  const TestFolder folder;
  folder.write("tiny.json", tiny_deepseek);
  const auto run = run_program(
      "measure --decode --model tiny.json --layout dp=2,ep=2 --batch 3", folder.path(), 2);
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.log, HasSubstr("3 sequences are not shared evenly by the 2 attention groups"));
}

}  // namespace
}  // namespace forerun
