// What `show --model` says of models: multiply-adds, cache, and the difference between two.
#include "estimator/cli/show_model.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace forerun {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;

constexpr std::int64_t long_context = 262'144;
constexpr double gibibyte = 1024.0 * 1024.0 * 1024.0;

// forecasting.md H9 to H11, H13: 128, 32, 4 and 126 GiB.
TEST(ShowModel, CachesAreThePublishedOnes) {
  const auto cache = [](const char* model) {
    return model_json(model, long_context)["cache"]["sequence_bytes"].get<double>() / gibibyte;
  };
  EXPECT_DOUBLE_EQ(cache("llama-2-7b"), 128.0);
  EXPECT_DOUBLE_EQ(cache("llama-3-8b"), 32.0);
  EXPECT_NEAR(cache("jamba-v0.1"), 4.0, 0.02);  // and the states of 28 Mamba layers
  EXPECT_DOUBLE_EQ(cache("llama-3.1-405b"), 126.0);
}

// H15 to H18.
TEST(ShowModel, DifferenceOfLlama2AndLlama3) {
  std::ostringstream text;
  print_difference(model_json("llama-2-7b", {}), model_json("llama-3-8b", {}), text);
  EXPECT_THAT(text.str(), HasSubstr("+1504.0"));
  EXPECT_THAT(text.str(), HasSubstr("-1536.0"));
  EXPECT_THAT(text.str(), HasSubstr("+2496.0"));
  EXPECT_THAT(text.str(), HasSubstr("+1291845632"));
  EXPECT_THAT(text.str(), HasSubstr("+2464.0"));
}

TEST(ShowModel, PartsAddUpToTheModel) {
  for (const char* name :
       {"llama-3-8b", "mixtral-8x7b", "jamba-v0.1", "deepseek-v3", "bloom-7b1"}) {
    const Json model = model_json(name, 4096);
    std::int64_t sum = 0;
    for (const auto& [part, count] : model["parameters_of"].items()) {
      sum += count.get<std::int64_t>();
    }
    EXPECT_EQ(sum, model["parameters"].get<std::int64_t>()) << name;
    const Json& macs = model["forward"]["macs_per_token"];
    double all = 0.0;
    for (const auto& [part, value] : macs.items()) {
      all += part == "total" ? 0.0 : value.get<double>();
    }
    EXPECT_DOUBLE_EQ(all, macs["total"].get<double>()) << name;
  }
}

// By hand: (3 x 14,336 x 4,096 - (2 + 2/4) x 4,096^2) / (2 x 4,096) = 16,384 tokens.
TEST(ShowModel, PrintsWhereAttentionMeetsTheFfn) {
  std::ostringstream text;
  print_accounting(model_json("llama-3-8b", 8192), text);
  EXPECT_THAT(text.str(), HasSubstr("at 32768 tokens, without a mask at half of that"));
  EXPECT_THAT(text.str(), HasSubstr("131072 bytes a token"));
}

}  // namespace
}  // namespace forerun
