// The verb `rehearse` as a user meets it: sweeps, what is on disk when, and days that go wrong.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/golden/program.hpp"

namespace forerun {
namespace {

using nlohmann::json;
using testing::AnyOf;
using testing::HasSubstr;

const char* const tiny_mixtral =
    R"({"model_type": "mixtral", "hidden_size": 64, "intermediate_size": 48, "num_hidden_layers": 2,
"num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 1000, "num_local_experts": 4,
"num_experts_per_tok": 2, "max_position_embeddings": 64})";

const std::string sweep =
    "--model tiny.json --model experts.json --layout 'tp=1|2,pp=1|2,cp=1|2,ep=1|2' --seq 32 "
    "--batch "
    "4 --precision fp32 ";

std::vector<std::string> names_of(const json& document) {
  std::vector<std::string> names;
  for (const json& run : document["runs"]) {
    names.push_back(run["model"].get<std::string>() + " " + run["layout"].get<std::string>());
  }
  return names;
}

TestFolder& with_models(TestFolder& folder) {
  folder.write("tiny.json", tiny_llama);
  folder.write("experts.json", tiny_mixtral);
  return folder;
}

void expect_sound(const json& run) {
  EXPECT_TRUE(run["equality"]["equal"].get<bool>()) << run.dump(1);
  EXPECT_GT(run["measured_s"].get<double>(), 0.0);
  double predicted = 0.0;
  double measured = 0.0;
  for (const json& part : run["parts"]) {
    predicted += part["predicted_s"].get<double>();
    measured += part["measured_s"].get<double>();
  }
  EXPECT_NEAR(predicted / run["predicted_s"].get<double>(), 1.0, 1e-6);
  // Medians of parts need not sum to the median of the whole.
  EXPECT_NEAR(measured / run["measured_s"].get<double>(), 1.0, 0.5);
  const json& busiest = run["busiest_experts"];
  EXPECT_EQ(busiest.is_null(), run["layout"].get<std::string>().find("ep=") == std::string::npos);
  if (!busiest.is_null()) {
    EXPECT_EQ(busiest.get<double>(), 1.0);  // sent as predicted: balanced
  }
}

// To p.json in the folder.
Outcome measure_two_ranks(const TestFolder& folder, const std::string& arguments) {
  return run_program(
      "measure " + arguments + "--out p.json --time-budget " + (is_sanitized ? "40s" : "12s"),
      folder.path(),
      2);
}

// Dense: tp, pp, cp or dp over two ranks. Experts: those, and ep on two of them.
TEST(Sweep, RunsEveryLegalLayoutOfEachModel) {
  TestFolder folder;
  with_models(folder);
  const auto measured = measure_two_ranks(folder, sweep);
  ASSERT_EQ(measured.status, 0) << measured.log;
  EXPECT_THAT(measured.log, HasSubstr("warning: left out: tiny.json ep=2,dp=2: "));
  const auto rehearsed = run_program("rehearse " + sweep +
                                         "--cluster p.json --steps 2 --seed 3 --format json "
                                         "--out r.json",
                                     folder.path(),
                                     2);
  ASSERT_EQ(rehearsed.status, 0) << rehearsed.log;
  const json document = json::parse(folder.read("r.json"));
  const auto names = names_of(document);
  const std::set<std::string> distinct(names.begin(), names.end());
  EXPECT_EQ(distinct.size(), names.size());
  for (const char* const name : {"tiny.json tp=2",
                                 "tiny.json pp=2",
                                 "tiny.json cp=2",
                                 "tiny.json dp=2",
                                 "experts.json ep=2,dp=2",
                                 "experts.json tp=2,ep=2",
                                 "experts.json cp=2"}) {
    EXPECT_TRUE(distinct.contains(name)) << name << " in " << testing::PrintToString(names);
  }
  EXPECT_FALSE(distinct.contains("tiny.json ep=2,dp=2"));
  EXPECT_FALSE(document["left_out"].empty());
  EXPECT_TRUE(document["complete"].get<bool>());
  for (const json& run : document["runs"]) {
    expect_sound(run);
  }
  EXPECT_LE(std::abs(document["spearman"].get<double>()), 1.0);
  EXPECT_GE(document["mape"].get<double>(), std::abs(document["bias"].get<double>()));
  EXPECT_EQ(document["planned"].size(), 2U);
  const json& band = document["step_over_estimate"];
  EXPECT_LT(band["low"].get<double>(), band["high"].get<double>());
  EXPECT_THAT(document["meaning"].get<std::string>(), HasSubstr("Most of the error is in"));
  const auto printed = run_program(
      "rehearse --model experts.json --layout ep=2,dp=2 --seq 32 --batch 4 --precision fp32 "
      "--cluster p.json --steps 1 --expert-load busiest:1.2",
      folder.path(),
      2);
  ASSERT_EQ(printed.status, 0) << printed.log;
  EXPECT_THAT(printed.out,
              HasSubstr("times an even share of the rows; predicted with busiest:1.2"));
}

// Its framework's kernels are not forerun's own, which are what runs.
TEST(Sweep, RunsAJobOfAnotherFrameworkWithItsOwnStep) {
  TestFolder folder;
  folder.write("train.sh",
               "torchrun pretrain_gpt.py --num-layers 2 --hidden-size 64 --num-attention-heads 4 "
               "--seq-length 32 --max-position-embeddings 32 --vocab-size 512 --bf16 "
               "--micro-batch-size 1 --global-batch-size 4\n");
  const Outcome outcome = run_program(
      "rehearse --job train.sh --devices 2 --layout dp=2 --steps 1 --time-budget 3s --format json "
      "--out train.json",
      folder.path(),
      2);
  ASSERT_EQ(outcome.status, 0) << outcome.log;
  const json document = json::parse(folder.read("train.json"));
  ASSERT_EQ(document["runs"].size(), 1U);
  EXPECT_EQ(document["runs"][0]["inputs"]["recipe"]["software"], "forerun");
  expect_sound(document["runs"][0]);
}

// The profile knows the dense model alone, and a strict estimate guesses nothing.
TEST(Sweep, LeavesOutACaseWithoutAPriceAndRunsTheOthers) {
  TestFolder folder;
  with_models(folder);
  const std::string job = "--layout 'tp=2' --seq 32 --batch 4 --precision fp32 ";
  const auto measured = measure_two_ranks(folder, "--model tiny.json " + job);
  ASSERT_EQ(measured.status, 0) << measured.log;
  const auto rehearsed = run_program("rehearse --model tiny.json --model experts.json " + job +
                                         "--strict --cluster p.json --steps 2 --format json "
                                         "--out r.json",
                                     folder.path(),
                                     2);
  EXPECT_EQ(rehearsed.status, 1) << rehearsed.log;
  const json document = json::parse(folder.read("r.json"));
  EXPECT_THAT(names_of(document), testing::ElementsAre("tiny.json tp=2"));
  ASSERT_EQ(document["left_out"].size(), 1U);
  EXPECT_THAT(document["left_out"].at(0).dump(), HasSubstr("experts.json tp=2"));
}

TEST(Sweep, MeasuresWhatItNeedsWithoutAProfileAndCutsDepth) {
  TestFolder folder;
  with_models(folder);
  const auto rehearsed = run_program(
      "rehearse --model tiny.json --layout 'tp=2;pp=2' --seq 32 --batch 4 --precision fp32 --steps "
      "2 --layers 2 --time-budget 6s",
      folder.path(),
      2);
  ASSERT_EQ(rehearsed.status, 0) << rehearsed.log;
  EXPECT_THAT(rehearsed.out, HasSubstr("(2 of 4 layers)"));
  const json document = json::parse(folder.read("rehearsal.json"));
  ASSERT_EQ(document["runs"].size(), 2U);
  EXPECT_EQ(document["runs"][0]["layers"], 2);
  EXPECT_EQ(document["planned"][0]["layers"], 4);
  const json profile = json::parse(folder.read("rehearsal.profile.json"));
  EXPECT_EQ(profile["kind"], "profile");
  EXPECT_EQ(profile["inputs"]["jobs"].size(), 2U);
}

// Takes away memory from rank 1 alone.
// One layer of terabytes: nothing is allocated for it.
TEST(BadRehearsal, AModelTooLargeAtOneLayerIsNamed) {
  TestFolder folder;
  folder.write("huge.json",
               R"({"model_type": "llama", "hidden_size": 262144, "intermediate_size": 1048576,
"num_hidden_layers": 2, "num_attention_heads": 2048, "num_key_value_heads": 2048,
"vocab_size": 32000, "max_position_embeddings": 64})");
  const auto outcome = run_program(
      "rehearse --model huge.json --layout tp=2 --seq 32 --batch 2 --precision bf16 --device host "
      "--cluster dgx-h100 --steps 1 --format json --out r.json",
      folder.path(),
      2);
  EXPECT_EQ(outcome.status, 1) << outcome.log;
  EXPECT_THAT(outcome.log, HasSubstr("huge.json tp=2: too large: 1 of its layers need "));
  const json document = json::parse(folder.read("r.json"));
  EXPECT_TRUE(document["runs"].empty());
  EXPECT_EQ(document["left_out"].size(), 1U);
}

TEST(BadRehearsal, MemoryThatEndsIsNamedWithTheEstimate) {
  if (is_sanitized) {
    GTEST_SKIP() << "the address sanitizer needs more address space than a limit leaves";
  }
  TestFolder folder;
  folder.write("wide.json",
               R"({"model_type": "llama", "hidden_size": 1024, "intermediate_size": 4096,
"num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 8, "vocab_size": 32000,
"max_position_embeddings": 64})");
  const std::string call =
      "rehearse --model wide.json --layout dp=2 --seq 32 --batch 2 --precision bf16 --device host "
      "--cluster dgx-h100 --steps 1";
  folder.write("limited.sh", "ulimit -v 2000000\nexec " FORERUN_BIN_DIR "/forerun " + call + "\n");
  const auto outcome = run_program(call + " : -np 1 sh limited.sh", folder.path(), 1);
  EXPECT_EQ(outcome.status, 1) << outcome.log;
  EXPECT_THAT(outcome.log, HasSubstr("rank 1 on "));
  EXPECT_THAT(outcome.log, HasSubstr("out of memory: "));
  EXPECT_THAT(outcome.log, HasSubstr("the estimate says "));
  const json document = json::parse(folder.read("rehearsal.json"));
  ASSERT_EQ(document["runs"].size(), 1U);
  EXPECT_GT(document["runs"][0]["predicted_s"].get<double>(), 0.0);
  EXPECT_TRUE(document["runs"][0]["measured_s"].is_null());
}

// Two ranks rehearse for long; once a case is on disk, `disturb` meets the process in pid.N.
Outcome disturbed_rehearsal(TestFolder& folder, const std::string& disturb) {
  with_models(folder);
  folder.write(
      "run.sh",
      "cd '" + folder.path().string() +
          "'\n"
          "timeout -s KILL 100 mpirun -np 2 sh -c 'echo $$ > pid.$OMPI_COMM_WORLD_RANK; "
          "exec " FORERUN_BIN_DIR
          "/forerun rehearse --model tiny.json --model tiny.json --model tiny.json --layout "
          "\"tp=2;dp=2;pp=2\" --seq 32 "
          "--batch 4 --precision bf16 --device host --cluster dgx-h100 --steps 30 --stall-limit "
          "4s' > out.txt 2> "
          "log.txt &\n"
          "job=$!\n"
          "for i in $(seq 600); do\n"
          "  grep -q '\"measured_s\": [0-9]' rehearsal.json 2>/dev/null && break\n"
          "  sleep 0.1\n"
          "done\n"
          "sleep 0.3\n" +
          disturb + "\nwait $job\n");
  const int raw = std::system(("sh '" + (folder.path() / "run.sh").string() + "'").c_str());
  return {raw, folder.read("out.txt"), folder.read("log.txt")};
}

void expect_first_case_on_disk(const TestFolder& folder) {
  const json document = json::parse(folder.read("rehearsal.json"));
  ASSERT_GE(document["runs"].size(), 1U);
  EXPECT_GT(document["runs"][0]["measured_s"].get<double>(), 0.0);
  EXPECT_FALSE(document["complete"].get<bool>());
}

TEST(BadRehearsal, ARankThatDiesIsNamedAndEarlierCasesAreOnDisk) {
  TestFolder folder;
  const Outcome outcome = disturbed_rehearsal(folder, "kill -KILL $(cat pid.1)");
  EXPECT_NE(outcome.status, 0);
  EXPECT_THAT(outcome.log, AnyOf(HasSubstr("rank 1 on "), HasSubstr("process rank 1 ")));
  expect_first_case_on_disk(folder);
}

TEST(BadRehearsal, ARankThatHangsIsNamedWithinTheStallLimit) {
  TestFolder folder;
  const Outcome outcome = disturbed_rehearsal(folder, "kill -STOP $(cat pid.1)");
  EXPECT_NE(outcome.status, 0);
  EXPECT_THAT(outcome.log, HasSubstr("rank 1 on "));
  EXPECT_THAT(outcome.log, HasSubstr("has not been heard for"));
  expect_first_case_on_disk(folder);
}

}  // namespace
}  // namespace forerun
