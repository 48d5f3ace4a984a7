// The largest jobs that can be asked for come out right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/golden/program.hpp"

namespace forerun {
namespace {

using nlohmann::json;

// 10^15 parameters, 10^18 tokens, 10^7 devices: six FLOP a parameter and token, and as many steps
// as the tokens make.
TEST(Limits, APetaparameterOnTenMillionDevicesIsCountedRight) {
  const TestFolder folder;
  folder.write("big.json",
               R"({"model_type": "llama", "hidden_size": 2000000, "intermediate_size": 8000000,
                   "num_hidden_layers": 16, "num_attention_heads": 16000,
                   "num_key_value_heads": 16000, "vocab_size": 128000,
                   "max_position_embeddings": 8192})");
  folder.write("big.toml", R"(name = "big"
devices_per_node = 8
max_devices = 10_000_000
source = "made up"
[device]
name = "made up"
memory = "80 GiB"
memory_bandwidth = "3 TB/s"
source = "made up"
[device.peak]
bf16 = "1000 TFLOP/s"
[[level]]
name = "node"
devices = 8
bandwidth = "400 GB/s"
latency = "2 us"
source = "made up"
[[level]]
name = "fabric"
devices = 10_000_000
bandwidth = "50 GB/s"
latency = "5 us"
source = "made up"
)");
  const auto run = run_program(
      "estimate --model big.json --cluster big.toml --devices 10M --layout tp=8,pp=16,dp=78125 "
      "--batch 78125 --seq 4096 --tokens 1000000T --format json",
      folder.path());
  ASSERT_EQ(run.status, 3) << run.log;  // no device holds it
  const json document = json::parse(run.out);
  // Per layer 4 h^2 of attention and 3 h f, twice the vocabulary's table; h = 2e6, f = 8e6.
  const double parameters = 16.0 * (4.0 * 4e12 + 3.0 * 1.6e13) + 2.0 * 128e3 * 2e6;
  const double tokens = 78125.0 * 4096.0;
  const auto counted = document["inputs"]["model"]["parameters"].get<double>();
  EXPECT_NEAR(counted / parameters, 1.0, 1e-3);
  EXPECT_NEAR(
      document["model_flops_per_step"].get<double>() / (6.0 * parameters * tokens), 1.0, 0.01);
  EXPECT_NEAR(document["run"]["steps"].get<double>() * tokens / 1e18, 1.0, 1e-6);
}

}  // namespace
}  // namespace forerun
