// Wrong input ends with exit code 2 and one sentence that helps.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/golden/program.hpp"

namespace forerun {
namespace {

struct WrongCall {
  const char* name;
  const char* arguments;
  const char* helps;  ///< a part of the sentence
};

class WrongInput : public testing::TestWithParam<WrongCall> {};

TEST_P(WrongInput, IsOneSentenceAndExitCodeTwo) {
  const TestFolder folder;
  folder.write("empty.json", "");
  folder.write("broken.json", "{\n  \"model_type\": \"llama\",\n  oops\n}\n");
  folder.write("deep.json", "{\"a\": " + std::string(100, '['));
  folder.write("nan.json", "{\"model_type\": \"llama\", \"hidden_size\": NaN}");
  folder.write("alien.json", "{\"model_type\": \"bert\"}");
  folder.write("truncated.json", "{\"schema_version\": 1, \"kind\": \"prof");
  folder.write("foreign.json", "{\"kind\": \"something else\"}");
  folder.write("broken.toml", "name = \"x\"\nbandwidth = 300\n");
  const auto outcome = run_program(GetParam().arguments, folder.path());
  EXPECT_EQ(outcome.status, 2) << outcome.log;
  EXPECT_THAT(outcome.log, testing::HasSubstr(GetParam().helps));
  EXPECT_EQ(std::ranges::count(outcome.log, '\n'), 1) << outcome.log;
  EXPECT_EQ(outcome.out, "");
}

INSTANTIATE_TEST_SUITE_P(
    Calls,
    WrongInput,
    testing::Values(
        WrongCall{"Verb", "estimat", "estimate"},
        WrongCall{"ServedLayout",
                  "capacity --model llama-3-8b --cluster dgx-h100 --devices 6 --layout tp=3,dp=2",
                  "tp=3"},
        WrongCall{"ServedFormat",
                  "capacity --model gpt2 --cluster dgx-h100 --devices 1 --precision int5",
                  "int4"},
        WrongCall{"ServedPeak",
                  "capacity --model gpt2 --cluster dgx-a100 --devices 1 --precision fp8",
                  "fp8"},
        WrongCall{"EdgeDevice", "forecast --year 2028 --edge mem=16GB", "bw="},
        WrongCall{"EdgeYear", "forecast --year 2020 --edge mem=16GB,bw=100GB/s", "2023"},
        WrongCall{"EmittedExperts",
                  "forecast --year 2028 --emit-job j.toml --emit-experts 8:256",
                  "256:8"},
        WrongCall{"BackTestYears", "forecast --backtest 2020", "2020..2025"},
        WrongCall{"InferenceTable", "validate --inference empty.json", "empty.json"},
        WrongCall{"Flag", "estimate --modle gpt2", "--model"},
        WrongCall{"Value", "estimate --model gpt2 --precision bf61", "bf16"},
        WrongCall{"Model", "estimate --model gtp2 --cluster dgx-h100 --devices 8", "gpt2"},
        WrongCall{"Cluster", "estimate --model gpt2 --cluster dgx-h10 --devices 8", "dgx-h100"},
        WrongCall{"Product",
                  "estimate --model gpt2 --cluster dgx-h100 --devices 8 --layout tp=3,dp=4",
                  "8"},
        WrongCall{
            "Heads", "estimate --model gpt2 --cluster dgx-h100 --devices 8 --layout tp=8", "heads"},
        WrongCall{"Count", "estimate --model gpt2 --cluster dgx-h100 --devices 8 --batch 2k", "2k"},
        WrongCall{"Chunks",
                  "estimate --model gpt2 --cluster dgx-h100 --devices 8 --layout pp=4,dp=2 "
                  "--schedule zb-v",
                  "vp=2"},
        WrongCall{"Rounds",
                  "estimate --model gpt2 --cluster dgx-h100 --devices 8 --layout pp=4,vp=3,dp=2 "
                  "--batch 6",
                  "at least pp=4"},
        WrongCall{"MicroBatch",
                  "estimate --model llama-3-8b --cluster dgx-h100 --devices 8 --layout dp=8 "
                  "--batch 800T --micro-batch 100T",
                  "800T is more than any run has (expected at most 1T)"},
        WrongCall{"Sequence",
                  "estimate --model llama-3-8b --cluster dgx-h100 --devices 8 --seq 9T",
                  "more than any run has"},
        WrongCall{"BatchRange",
                  "plan --model gpt2 --cluster dgx-h100 --devices 8 --batch 1..9000000T",
                  "more than any run has"},
        WrongCall{"EndlessModel",
                  "estimate --model /dev/zero --cluster dgx-h100 --devices 8",
                  "larger than 16 MiB"},
        WrongCall{"EndlessCluster",
                  "estimate --model gpt2 --cluster dgx-h100 --devices 8 --job /dev/zero",
                  "larger than 16 MiB"},
        WrongCall{"EndlessLog",
                  "validate --log /dev/zero --model gpt2 --cluster dgx-h100 --devices 8",
                  "larger than 256 MiB"},
        WrongCall{"DeepModel",
                  "estimate --model deep.json --cluster dgx-h100 --devices 8",
                  "deep.json:1: values lie more than 64 deep"},
        WrongCall{"NanModel",
                  "estimate --model nan.json --cluster dgx-h100 --devices 8",
                  "not valid JSON"},
        WrongCall{
            "Tokens", "estimate --model gpt2 --cluster dgx-h100 --devices 8 --tokens 15X", "15X"},
        WrongCall{"EmptyConfig",
                  "estimate --model empty.json --cluster dgx-h100 --devices 8",
                  "empty.json"},
        WrongCall{"BrokenConfig",
                  "estimate --model broken.json --cluster dgx-h100 --devices 8",
                  "broken.json:3"},
        WrongCall{"Family", "estimate --model alien.json --cluster dgx-h100 --devices 8", "llama"},
        WrongCall{"Truncated",
                  "estimate --model gpt2 --cluster truncated.json --devices 2",
                  "truncated.json"},
        WrongCall{
            "Foreign", "estimate --model gpt2 --cluster foreign.json --devices 2", "not a profile"},
        WrongCall{
            "Toml", "estimate --model gpt2 --cluster broken.toml --devices 2", "broken.toml:2"},
        WrongCall{"Fabric",
                  "estimate --model gpt2 --cluster dgx-h100 --devices 10M --batch 10M",
                  "max_devices"},
        WrongCall{"Scenario", "forecast --year 2030 --scenario steinhard-2023", "steinhardt-2023"},
        WrongCall{"Year", "forecast --scenario steinhardt-2023", "--year"},
        WrongCall{"ImportNothing", "import --out x.json", "--nccl-tests"},
        WrongCall{"ImportNowhere", "import --osu empty.json", "--out"},
        WrongCall{"ImportNoLog", "import --nccl-tests broken.toml --out x.json", "broken.toml"},
        WrongCall{"MergeOne", "import --merge foreign.json --out x.json", "two or more"},
        WrongCall{"Collectives", "validate --collectives broken.toml", "broken.toml"}),
    [](const auto& call) { return std::string(call.param.name); });

}  // namespace
}  // namespace forerun
