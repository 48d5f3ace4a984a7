// Adapters counted by hand and against the figures of the LoRA paper.
#include "jobs/tuning.hpp"

#include <gtest/gtest.h>

#include "jobs/job.hpp"
#include "jobs/parameter_count.hpp"
#include "jobs/read_model.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// arXiv 2106.09685, table 18 and its text: GPT-3 with W_q and W_v adapted, "4.7M" at rank 1 and
// "37.7M" at rank 8: 96 layers * 2 matrices * rank * 2 * 12288.
TEST(Adapters, OfGpt3AreThoseOfTheLoraPaper) {
  const ModelShape gpt3 = read_model("gpt3-175b");
  const LoraTargets queries_and_values = *lora_targets_from("q_proj+v_proj");
  EXPECT_EQ(adapter_parameters(gpt3, {1, queries_and_values}), 4'718'592);
  EXPECT_EQ(adapter_parameters(gpt3, {4, queries_and_values}), 18'874'368);
  EXPECT_EQ(adapter_parameters(gpt3, {8, queries_and_values}), 37'748'736);
}

// Llama-3 8B: q and o 4096 + 4096, k and v 4096 + 1024, gate, up and down 4096 + 14336.
TEST(Adapters, OfGroupedQueriesFollowTheirWidths) {
  const ModelShape llama = read_model("llama-3-8b");
  EXPECT_EQ(adapter_parameters(llama, {16, {}}), 32 * 16 * (2 * 8192 + 2 * 5120 + 3 * 18432));
  EXPECT_EQ(adapter_parameters(llama, {16, no_lora_targets}), 0);
}

TEST(Adapters, TargetsReadBackAsTheyWereWritten) {
  for (const char* text :
       {"all-linear", "q_proj", "q_proj+v_proj", "gate_proj+up_proj+down_proj"}) {
    ASSERT_TRUE(lora_targets_from(text)) << text;
    EXPECT_EQ(names_of(*lora_targets_from(text)), text);
  }
  for (const char* text : {"", "+", "q_proj+", "linear", "q_proj,v_proj"}) {
    EXPECT_FALSE(lora_targets_from(text)) << text;
  }
}

// 6 FLOP a parameter and token become 4 where no weight has a gradient; the scores of attention,
// which have no weights, keep all three passes.
TEST(Adapters, LeaveTwoThirdsOfTheModelFlop) {
  Job job{read_model("llama-2-7b"), {}, {}};
  job.recipe.sequence = 512;
  const Flops full = training_flops_per_token(job);
  job.recipe.tuning = Tuning::lora;
  job.recipe.adapters = {1, *lora_targets_from("v_proj")};
  const double matrices = 6'607'077'376.0;  // 6,738,415,616 less embedding and 65 norms
  const double trained = 32.0 * 2 * 4096;
  EXPECT_NEAR(
      (full - training_flops_per_token(job)).in(unit::flop) / (2.0 * matrices - 6.0 * trained),
      1.0,
      1e-12);
}

TEST(Teacher, AddsOneForwardPass) {
  Job job{read_model("llama-3-8b"), {}, {}};
  job.recipe.sequence = 8192;
  const Flops alone = training_flops_per_token(job);
  job.teacher = read_model("llama-3.1-405b");
  EXPECT_DOUBLE_EQ((training_flops_per_token(job) - alone).in(unit::flop),
                   model_flops_per_token(*job.teacher, 8192).in(unit::flop) / 3.0);
  EXPECT_EQ(adapter_parameters(*job.teacher, teacher_job(job).recipe.adapters), 0);
}

}  // namespace
}  // namespace forerun
