#include "estimator/validate/served_row.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "estimator/validate/row_job.hpp"
#include "jobs/read_model.hpp"
#include "topologies/read_cluster.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

using Names = std::pair<std::string_view, std::string_view>;

// Spellings of models whose shape the catalog has under another name. Llama 2's shapes are Llama's
// where both exist; 3.1 and 3.3 changed no size of 3.
constexpr auto model_names = std::to_array<Names>({
    {"llama-7b", "llama-2-7b"},
    {"llama-13b", "llama-2-13b"},
    {"llama-70b", "llama-2-70b"},
    {"llama2-7b", "llama-2-7b"},
    {"llama2-70b", "llama-2-70b"},
    {"llama-3.1-8b", "llama-3-8b"},
    {"llama-3.1-70b", "llama-3-70b"},
    {"llama-3.3-70b", "llama-3-70b"},
    {"gpt-175b", "gpt3-175b"},
    {"deepseek-v3/r1", "deepseek-v3"},
    {"deepseek-r1", "deepseek-v3"},
    {"mistral-7b", "mistral-7b-v0.1"},
});

/// Shapes that tables of serving name and the catalog does not hold.
struct Shape {
  std::string_view name;
  std::string_view family;
  std::array<std::int64_t, 6> sizes;  ///< layers, hidden, ffn, heads, kv heads, vocabulary
};

// NeMo's GPT 5B and 20B (NVIDIA/NeMo, collections/llm/gpt/model/base.py); 310B as in Narayanan et
// al. 2021, arXiv 2104.04473, table 1; vocabularies of GPT-2, padded. GLM-130B: arXiv 2210.02414,
// table 11. TinyLlama: arXiv 2401.02385, table 1.
constexpr auto shapes = std::to_array<Shape>({
    {"gpt-5b", "gpt", {24, 4096, 16384, 32, 32, 51200}},
    {"gpt-20b", "gpt", {44, 6144, 24576, 48, 48, 51200}},
    {"gpt-310b", "gpt", {96, 16384, 65536, 128, 128, 51200}},
    {"glm-130b", "llama", {70, 12288, 32768, 96, 96, 150528}},
    {"tinyllama-1.1b", "llama", {22, 2048, 5632, 32, 4, 32000}},
});

constexpr auto cluster_names = std::to_array<Names>({
    {"A100", "dgx-a100"},
    {"H100", "dgx-h100"},
    {"H200", "dgx-h200"},
    {"B200", "dgx-b200"},
    {"B300", "dgx-b300"},
    {"GB200", "gb200-nvl72"},
    {"GB300", "gb300-nvl72"},
    {"MI300X", "mi300x"},
    {"MI355X", "mi355x"},
    {"TPU v4", "tpu-v4"},
    {"TPU v5e", "tpu-v5e"},
    {"TPU v5p", "tpu-v5p"},
    {"TPU v6e", "tpu-v6e"},
});

std::string catalog_spelling(std::string name) {
  std::ranges::transform(name, name.begin(), [](unsigned char c) {
    return c == ' ' ? '-' : static_cast<char>(std::tolower(c));
  });
  const auto* const found = std::ranges::find(model_names, name, &Names::first);
  return found == model_names.end() ? name : std::string(found->second);
}

ModelShape model_of(const InferenceRow& row) {
  const std::string name = catalog_spelling(row.model);
  const auto* const shape = std::ranges::find(shapes, name, &Shape::name);
  if (shape != shapes.end()) {
    Cells cells{{"family", std::string(shape->family)}, {"model", row.model}};
    constexpr std::array<const char*, 6> columns{
        "layers", "hidden", "ffn_hidden", "heads", "kv_heads", "vocab"};
    for (std::size_t i = 0; i < columns.size(); ++i) {
      cells[columns[i]] = std::to_string(shape->sizes[i]);
    }
    cells["seq_len"] = std::to_string(row.input_tokens.value_or(1) + row.output_tokens.value_or(1));
    return model_of_row(cells);
  }
  const std::vector<std::string> known = catalog_models();
  if (std::ranges::find(known, name) == known.end()) {
    throw InputError("model", fmt::format("the catalog has no shape of '{}'", row.model));
  }
  return read_model(name);
}

std::string cluster_of_row(const InferenceRow& row) {
  const auto* const found = std::ranges::find(cluster_names, row.gpu_family, &Names::first);
  if (found == cluster_names.end()) {
    throw InputError("gpu_family",
                     fmt::format("no cluster of the catalog stands for '{}'", row.gpu_family));
  }
  const bool is_small = row.gpu_family == "A100" && row.gpu.find("40") != std::string::npos;
  return is_small ? "dgx-a100-40gb" : std::string(found->second);
}

ServingPrecision precision_of(const InferenceRow& row, std::vector<std::string>& assumed) {
  if (row.precision.empty()) {
    assumed.emplace_back("precision");
    return ServingPrecision::fp16;
  }
  const std::string first = row.precision.substr(0, row.precision.find(' '));
  if (first == "fp4") {
    return ServingPrecision::nvfp4;
  }
  const auto precision = serving_precision_from(first);
  if (!precision) {
    throw InputError("precision", fmt::format("'{}' is not known", row.precision));
  }
  return *precision;
}

// By the engine that the row names; a blank one is today's.
ServingSoftware software_of(const InferenceRow& row) {
  constexpr auto engines = std::to_array<Names>({{"FasterTransformer", "fastertransformer"},
                                                 {"TensorRT-LLM 0.5", "fastertransformer"},
                                                 {"TensorRT-LLM 0.6", "fastertransformer"},
                                                 {"SwissArmyTransformer", "pytorch-eager"},
                                                 {"Hugging Face", "pytorch-eager"}});
  const auto* const found = std::ranges::find_if(
      engines, [&](const Names& names) { return row.framework.starts_with(names.first); });
  return found == engines.end() ? ServingSoftware() : *serving_software_from(found->second);
}

ServingLayout layout_of(const InferenceRow& row, std::vector<std::string>& assumed) {
  ServingLayout layout;
  layout.pipeline = row.pipeline.value_or(1);
  layout.expert = row.expert.value_or(1);
  if (!row.tensor) {
    assumed.emplace_back("tp");
  }
  const std::int64_t stage = std::max<std::int64_t>(1, row.devices / layout.pipeline);
  layout.tensor = row.tensor.value_or(layout.expert > 1 ? 1 : stage);
  return layout;
}

}  // namespace

ServedRow served_row(const InferenceRow& row) {
  ServedRow result;
  result.served.model = model_of(row);
  result.cluster = cluster_of_row(row);
  const ServingPrecision weights = precision_of(row, result.assumed);
  result.served.format = {weights, default_cache(weights)};
  result.served.layout = layout_of(row, result.assumed);
  result.served.software = software_of(row);
  if (const auto reason = unservable_because(result.served.model, result.served.layout)) {
    throw InputError("tp", *reason);
  }
  if (row.is_rate_ambiguous && row.devices > 1) {
    result.assumed.emplace_back("tokens_per_s_total");
  }
  return result;
}

}  // namespace forerun
