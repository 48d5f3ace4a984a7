// What is offloaded, from the option to the answer: estimate, plan, and the sentences of refusals.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/golden/program.hpp"

namespace forerun {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string call =
    "estimate --model llama-3-8b --cluster dgx-h100 --devices 8 --batch 64 --micro-batch 1 "
    "--seq 8192 --format json --layout dp=8 ";

json document_of(const std::string& options, const TestFolder& folder) {
  const auto run = run_program(call + options, folder.path());
  EXPECT_THAT(run.status, testing::AnyOf(0, 3)) << run.log;
  return json::parse(run.out);
}

TEST(OffloadVerb, TradesMemoryOfTheDeviceForTimeOfTheLink) {
  const TestFolder folder;
  const json none = document_of("", folder);
  EXPECT_EQ(none["breakdown_s"]["offload"], 0.0);
  EXPECT_EQ(none["host_memory_bytes"], 0.0);
  EXPECT_EQ(none["inputs"]["recipe"]["offload"], "none");
  for (const std::string what :
       {"activations", "optimizer", "weights", "activations,optimizer,weights"}) {
    const json one = document_of("--offload " + what, folder);
    EXPECT_EQ(one["inputs"]["recipe"]["offload"], what);
    EXPECT_LT(one["memory_peak_bytes"].get<double>(), none["memory_peak_bytes"].get<double>());
    EXPECT_GT(one["step_time_s"].get<double>(), none["step_time_s"].get<double>());
    EXPECT_GT(one["host_memory_bytes"].get<double>(), 0.0);
    double sum = 0.0;
    for (const auto& [part, value] : one["breakdown_s"].items()) {
      sum += value.get<double>();
    }
    EXPECT_NEAR(sum / one["step_time_s"].get<double>(), 1.0, 1e-12);
  }
}

TEST(OffloadVerb, IsFasterOverAFasterLink) {
  const TestFolder folder;
  const json now = document_of("--offload activations", folder);
  const json faster = document_of("--offload activations --what-if host=4", folder);
  EXPECT_GT(now["breakdown_s"]["offload"].get<double>(), 0.0);
  EXPECT_LT(faster["breakdown_s"]["offload"].get<double>(),
            now["breakdown_s"]["offload"].get<double>());
}

TEST(OffloadVerb, DrawsTheWaitingOnARowOfItsOwn) {
  const TestFolder folder;
  const json document = document_of("--offload activations,optimizer --trace step.json", folder);
  double waits = 0.0;
  double end = 0.0;
  const json trace = json::parse(folder.read("step.json"));
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] == "X") {
      end = std::max(end, event["ts"].get<double>() + event["dur"].get<double>());
      waits += event["cat"] == "offload" ? event["dur"].get<double>() : 0.0;
    }
  }
  EXPECT_NEAR(waits * 1e-6 / document["breakdown_s"]["offload"].get<double>(), 1.0, 1e-4);
  EXPECT_NEAR(end * 1e-6 / document["step_time_s"].get<double>(), 1.0, 1e-6);
}

TEST(OffloadVerb, NamesTheHostsMemoryWhereItIsTooSmall) {
  const TestFolder folder;
  const auto run = run_program(
      "estimate --model llama-3.1-405b --cluster dgx-h100 --devices 8 --batch 8 --seq 2048 "
      "--layout dp=8 --zero 3 --software deepspeed --offload activations,optimizer,weights "
      "--recompute full --format json",
      folder.path());
  EXPECT_EQ(run.status, 3);
  EXPECT_THAT(json::parse(run.out)["infeasible_reason"].get<std::string>(),
              HasSubstr("of a node's host memory, which has"));
}

std::string refusal(const std::string& line, const TestFolder& folder) {
  const auto run = run_program(line, folder.path());
  EXPECT_EQ(run.status, 2) << line;
  return run.log;
}

TEST(OffloadVerb, RefusesInOneSentence) {
  const TestFolder folder;
  EXPECT_THAT(refusal(call + "--offload activation", folder), HasSubstr("nearest is activations"));
  EXPECT_THAT(refusal("estimate --model gpt2 --cluster tpu-v5e --devices 8 --batch 8 --layout dp=8 "
                      "--offload optimizer",
                      folder),
              HasSubstr("--offload: tpu-v5e names no host memory"));
  EXPECT_THAT(refusal("estimate --model gpt2 --cluster cpu-cascade-lake --devices 2 --batch 2 "
                      "--layout dp=2 --offload optimizer",
                      folder),
              HasSubstr("is the host itself"));
  EXPECT_THAT(refusal("rehearse --model gpt2 --device host --layers 1 --batch 1 --seq 16 --offload "
                      "optimizer",
                      folder),
              HasSubstr("--offload optimizer is estimated only"));
  EXPECT_THAT(refusal("plan --model gpt2 --cluster dgx-a100 --devices 8 --batch 8 --tuning lora "
                      "--emit megatron",
                      folder),
              HasSubstr("expected --emit nemo"));
}

TEST(OffloadVerb, PlanChoosesItWhereNothingElseFits) {
  const TestFolder folder;
  const std::string plan =
      "plan --model llama-3-8b --cluster dgx-h100 --devices 1 --batch 8 --seq 2048 --micro-batch 1 "
      "--format json ";
  const auto none = run_program(plan, folder.path());
  EXPECT_EQ(none.status, 3) << none.log;
  const auto any = run_program(plan + "--offload any", folder.path());
  ASSERT_EQ(any.status, 0) << any.log;
  const json best = json::parse(any.out)["layouts"][0];
  EXPECT_THAT(best["offload"].get<std::string>(), HasSubstr("optimizer"));
  EXPECT_GT(best["host_memory_bytes"].get<double>(), 0.0);
  EXPECT_EQ(json::parse(any.out)["enumerated"].get<std::int64_t>(),
            8 * json::parse(none.out)["enumerated"].get<std::int64_t>());
}

}  // namespace
}  // namespace forerun
