// Parameter counts of the catalog against published ones.
#include <algorithm>
#include <array>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "jobs/parameter_count.hpp"
#include "jobs/read_model.hpp"

namespace forerun {
namespace {

std::string test_name(std::string model) {
  std::ranges::replace(model, '.', '_');
  std::erase(model, '-');
  return model;
}

struct Published {
  const char* model;
  std::int64_t parameters;
};

void PrintTo(const Published& published, std::ostream* stream) {
  *stream << published.model;
}

class PublishedCount : public ::testing::TestWithParam<Published> {};

TEST_P(PublishedCount, EqualsTheSumOfTheShapes) {
  EXPECT_EQ(count_parameters(read_model(GetParam().model)).total, GetParam().parameters);
}

// Each number is the total of model.num_parameters() or of the safetensors index that the model's
// page on huggingface.co shows (repository in the catalog file). GPT-2: transformers, without the
// buffers of the attention mask. DeepSeek-V3: main model without the multi-token-prediction
// module, "671B" in README_WEIGHTS.md of the repository. Pythia: the table of its README. gpt-oss:
// also arXiv 2508.10925, table 1, to five digits. Falcon: its tied head once.
INSTANTIATE_TEST_SUITE_P(Models,
                         PublishedCount,
                         ::testing::ValuesIn(std::to_array<Published>({
                             {"gpt2", 124'439'808},
                             {"gpt2-medium", 354'823'168},
                             {"gpt2-large", 774'030'080},
                             {"gpt2-xl", 1'557'611'200},
                             {"llama-2-7b", 6'738'415'616},
                             {"llama-2-13b", 13'015'864'320},
                             {"llama-2-70b", 68'976'648'192},
                             {"llama-3-8b", 8'030'261'248},
                             {"llama-3-70b", 70'553'706'496},
                             {"llama-3.1-405b", 405'853'388'800},
                             {"llama-3.2-1b", 1'235'814'400},
                             {"llama-3.2-3b", 3'212'749'824},
                             {"llama-30b", 32'528'943'616},
                             {"llama-65b", 65'285'660'672},
                             {"codellama-34b", 33'743'970'304},
                             {"mistral-7b-v0.1", 7'241'732'096},
                             {"mistral-7b-v0.3", 7'248'023'552},
                             {"mistral-nemo-12b", 12'247'782'400},
                             {"mistral-small-24b", 23'572'403'200},
                             {"mistral-large-123b", 122'610'069'504},
                             {"mixtral-8x7b", 46'702'792'704},
                             {"mixtral-8x22b", 140'630'071'296},
                             {"qwen2.5-1.5b", 1'543'714'304},
                             {"qwen2.5-7b", 7'615'616'512},
                             {"qwen2.5-14b", 14'770'033'664},
                             {"qwen2.5-32b", 32'763'876'352},
                             {"qwen2.5-72b", 72'706'203'648},
                             {"qwen3-0.6b", 596'049'920},
                             {"qwen3-1.7b", 1'720'574'976},
                             {"qwen3-4b", 4'022'468'096},
                             {"qwen3-8b", 8'190'735'360},
                             {"qwen3-14b", 14'768'307'200},
                             {"qwen3-32b", 32'762'123'264},
                             {"qwen3-30b-a3b", 30'532'122'624},
                             {"qwen3-235b-a22b", 235'093'634'560},
                             {"qwen1.5-moe-a2.7b", 14'315'784'192},
                             {"deepseek-v2-lite", 15'706'484'224},
                             {"deepseek-v2", 235'741'434'880},
                             {"deepseek-v3", 671'026'419'200},
                             {"gemma-2b", 2'506'172'416},
                             {"gemma-7b", 8'537'680'896},
                             {"gemma-2-2b", 2'614'341'888},
                             {"gemma-2-9b", 9'241'705'984},
                             {"gemma-2-27b", 27'227'128'320},
                             {"gemma-3-1b", 999'885'952},
                             {"pythia-1.4b", 1'414'647'808},
                             {"pythia-2.8b", 2'775'208'960},
                             {"pythia-6.9b", 6'857'302'016},
                             {"pythia-12b", 11'846'072'320},
                             {"gpt-neox-20b", 20'554'567'680},
                             {"opt-1.3b", 1'315'758'080},
                             {"opt-6.7b", 6'658'473'984},
                             {"opt-13b", 12'853'473'280},
                             {"opt-30b", 29'974'540'288},
                             {"bloom-7b1", 7'069'016'064},
                             {"bloom-176b", 176'247'271'424},
                             {"falcon-7b", 6'921'720'704},
                             {"falcon-40b", 41'303'293'952},
                             {"mpt-7b", 6'649'286'656},
                             {"phi-1.5", 1'418'270'720},
                             {"phi-2", 2'779'683'840},
                             {"phi-3-mini", 3'821'079'552},
                             {"phi-3-medium", 13'960'238'080},
                             {"phi-4", 14'659'507'200},
                             {"gpt-oss-20b", 20'914'757'184},
                             {"gpt-oss-120b", 116'829'156'672},
                             {"jamba-v0.1", 51'570'323'328},
                             {"mamba-2.8b", 2'768'345'600},
                             {"mamba-codestral-7b", 7'285'403'648},
                         })),
                         [](const auto& test) { return test_name(test.param.model); });

/// Billions, as papers and cards give them, and how far their rounding and counting go.
struct Rounded {
  const char* model;
  double total;
  double active;
  double total_slack;
  double active_slack;
};

void PrintTo(const Rounded& rounded, std::ostream* stream) {
  *stream << rounded.model;
}

class RoundedCount : public ::testing::TestWithParam<Rounded> {};

TEST_P(RoundedCount, AgreesToThePublishedDigits) {
  const ParameterCount count = count_parameters(read_model(GetParam().model));
  EXPECT_NEAR(static_cast<double>(count.total) / 1e9, GetParam().total, GetParam().total_slack);
  EXPECT_NEAR(static_cast<double>(count.active) / 1e9, GetParam().active, GetParam().active_slack);
}

// GPT-J: its README gives 6,053,381,344, 0.04 % more than its shapes. OPT-175B and 66B: arXiv
// 2205.01068, table 1. Falcon-180B: its name, a tied head. MPT-30B: model card. Llama 4: cards,
// 109B with a vision tower of 0.9B, 400B. Kimi K2: card, 1T and 32B. Qwen3-Next: card, 80B and 3B,
// of which 0.6B in embedding and head are not counted. Jamba 1.5 Large: arXiv 2408.12570.
// Nemotron-H: arXiv 2504.03624. Nemotron 3 Nano: its report, 31.6B, 3.6B with embeddings.
// Qwen2-57B-A14B: arXiv 2407.10671. Granite 3.0: cards, 1.3B and 400M, 3.3B and 800M. Mamba2: arXiv
// 2405.21060.
INSTANTIATE_TEST_SUITE_P(Models,
                         RoundedCount,
                         ::testing::ValuesIn(std::to_array<Rounded>({
                             {"gpt-j-6b", 6.053, 6.053, 0.003, 0.003},
                             {"opt-66b", 66.0, 66.0, 0.5, 0.5},
                             {"opt-175b", 175.0, 175.0, 0.5, 0.5},
                             {"falcon-180b", 180.0, 180.0, 2.0, 2.0},
                             {"mpt-30b", 30.0, 30.0, 0.05, 0.05},
                             {"llama-4-scout", 108.1, 17.0, 0.5, 0.5},
                             {"llama-4-maverick", 400.0, 17.0, 1.0, 0.5},
                             {"kimi-k2", 1000.0, 32.0, 50.0, 1.0},
                             {"qwen3-next-80b-a3b", 80.0, 3.6, 0.5, 0.5},
                             {"jamba-1.5-large", 398.0, 94.0, 1.0, 0.5},
                             {"nemotron-h-8b", 8.1, 8.1, 0.05, 0.05},
                             {"nemotron-h-56b", 56.3, 56.3, 0.05, 0.05},
                             {"nemotron-3-nano-30b-a3b", 31.6, 3.6, 0.05, 0.05},
                             {"qwen2-57b-a14b", 57.4, 14.2, 0.05, 0.1},
                             {"qwen1.5-moe-a2.7b", 14.3, 2.7, 0.05, 0.05},
                             {"deepseek-v2-lite", 15.7, 2.4, 0.05, 0.3},
                             {"jamba-v0.1", 52.0, 12.0, 0.5, 0.5},
                             {"granite-3.0-1b-a400m", 1.3, 0.4, 0.05, 0.05},
                             {"granite-3.0-3b-a800m", 3.3, 0.8, 0.05, 0.1},
                             {"mamba2-2.7b", 2.7, 2.7, 0.05, 0.05},
                         })),
                         [](const auto& test) { return test_name(test.param.model); });

double billions(std::int64_t parameters) {
  return static_cast<double>(parameters) / 1e9;
}

// arXiv 2508.10925, table 1: 5.13B and 3.61B active, the embedding not counted.
TEST(ActiveParameters, OfGptOssAreThoseOfItsCard) {
  for (const auto& [name, active] :
       {std::pair{"gpt-oss-120b", 5.13}, std::pair{"gpt-oss-20b", 3.61}}) {
    const ParameterCount count = count_parameters(read_model(name));
    EXPECT_NEAR(billions(count.active - count.embedding), active, 0.005) << name;
  }
}

// arXiv 2508.06471, table 1 counts neither embedding nor output layer: 32B and 12B active.
TEST(ActiveParameters, OfGlm45AreThoseOfItsReport) {
  for (const auto& [name, active] : {std::pair{"glm-4.5", 32.0}, std::pair{"glm-4.5-air", 12.0}}) {
    const ParameterCount count = count_parameters(read_model(name));
    EXPECT_NEAR(billions(count.active - count.embedding - count.head), active, 0.5) << name;
  }
}

// With its multi-token-prediction module, one more layer with experts and a projection of two
// widths to one: 355B and 106B (arXiv 2508.06471, table 1, without embedding and output layer).
TEST(TotalParameters, OfGlm45AreThoseOfItsReport) {
  for (const auto& [name, total] : {std::pair{"glm-4.5", 355.0}, std::pair{"glm-4.5-air", 106.0}}) {
    const ModelShape model = read_model(name);
    const ParameterCount count = count_parameters(model);
    const std::int64_t mtp =
        sum_of(layer_parameters(model, model.layers - 1)) + 2 * model.hidden * model.hidden;
    EXPECT_NEAR(billions(count.total - count.embedding - count.head + mtp), total, 2.0) << name;
  }
}

// Gemma 3 report, arXiv 2503.19786, table 1: parameters without embedding, in millions.
TEST(TotalParameters, OfGemma3AreThoseOfItsReport) {
  for (const auto& [name, millions] : {std::pair{"gemma-3-1b", 698.0},
                                       std::pair{"gemma-3-4b", 3209.0},
                                       std::pair{"gemma-3-12b", 10'759.0},
                                       std::pair{"gemma-3-27b", 25'600.0}}) {
    const ParameterCount count = count_parameters(read_model(name));
    EXPECT_NEAR(billions(count.total - count.embedding) * 1e3, millions, 0.5) << name;
  }
}

}  // namespace
}  // namespace forerun
