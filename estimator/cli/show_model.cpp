#include "estimator/cli/show_model.hpp"

#include <algorithm>
#include <ostream>
#include <utility>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/capacity/serving_memory.hpp"
#include "jobs/forward_macs.hpp"
#include "jobs/parameter_count.hpp"
#include "jobs/read_model.hpp"
#include "units/integer.hpp"
#include "units/quantity_text.hpp"
#include "units/text_table.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

constexpr double parameter_bytes = 2.0;

Json parts_json(const ModelShape& model, const ParameterCount& count) {
  LayerParameters sum;
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    const LayerParameters one = layer_parameters(model, layer);
    sum.attention += one.attention;
    sum.state_space += one.state_space;
    sum.ffn += one.ffn;
    sum.routed_experts += one.routed_experts;
    sum.shared_experts += one.shared_experts;
    sum.router += one.router;
    sum.norms += one.norms;
  }
  return {{"embedding_and_head", count.embedding + count.positions + count.head},
          {"attention", sum.attention},
          {"state_space", sum.state_space},
          {"ffn", sum.ffn},
          {"routed_experts", sum.routed_experts},
          {"shared_experts", sum.shared_experts},
          {"router", sum.router},
          {"norms", sum.norms + count.final_norm}};
}

Json or_null(const std::optional<std::int64_t>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json forward_json(const ModelShape& model, std::int64_t sequence) {
  const ForwardMacs macs = forward_macs(model, sequence);
  const auto crossover = attention_crossover(model);
  return {{"sequence", sequence},
          {"macs_per_token",
           {{"attention_projections", macs.projections},
            {"attention_scores", macs.scores},
            {"state_space", macs.mixers},
            {"ffn", macs.ffn},
            {"head", macs.head},
            {"total", macs.total()}}},
          {"attention_fraction_of_layers", macs.attention() / macs.layers()},
          {"scores_fraction_of_layers", macs.scores / macs.layers()},
          {"crossover_tokens", or_null(crossover)},
          {"training_flop_per_token", model_flops_per_token(model, sequence).in(unit::flop)}};
}

// Windows keep less than every token, states the same at any length.
Json cache_json(const ModelShape& model, std::int64_t sequence) {
  const Bytes whole = cache_bytes(model, ServingPrecision::bf16, real(sequence));
  return {{"bits", 16},
          {"sequence_bytes", whole.in(unit::byte)},
          {"bytes_per_token", whole.in(unit::byte) / real(sequence)}};
}

}  // namespace

Json model_json(const std::string& name, std::optional<std::int64_t> sequence) {
  const ModelShape model = read_model(name);
  const ParameterCount count = count_parameters(model);
  const std::int64_t length = sequence.value_or(model.max_positions);
  return {{"name", model.name},
          {"family", model.family},
          {"parameters", count.total},
          {"active_parameters", count.active},
          {"parameters_of", parts_json(model, count)},
          {"layers", model.layers},
          {"hidden", model.hidden},
          {"ffn_hidden", model.ffn_hidden},
          {"heads", model.attention.heads},
          {"kv_heads", model.attention.kv_heads},
          {"head_size", model.attention.head_size},
          {"vocabulary", model.vocabulary},
          {"max_positions", model.max_positions},
          {"windowed", model.attention.window.has_value()},
          {"forward", forward_json(model, length)},
          {"cache", cache_json(model, length)},
          {"source", model.source}};
}

void print_accounting(const Json& model, std::ostream& out) {
  const Json& forward = model["forward"];
  const Json& macs = forward["macs_per_token"];
  const auto total = macs["total"].get<double>();
  fmt::print(
      out,
      "{}, forward pass at {} tokens, causal: {} multiply-adds a token ({} FLOP of training)\n",
      model["name"].get<std::string>(),
      forward["sequence"].get<std::int64_t>(),
      count_text(total),
      count_text(forward["training_flop_per_token"].get<double>()));
  TextTable table({{"part", Align::left}, {"multiply-adds"}, {"a layer"}, {"share"}}, 2);
  const auto layers = model["layers"].get<double>();
  for (const auto& [part, value] : macs.items()) {
    const auto number = value.get<double>();
    if (part == "total" || number == 0.0) {
      continue;
    }
    std::string name = part;
    std::ranges::replace(name, '_', ' ');
    table.add({name,
               count_text(number),
               part == "head" ? "" : count_text(number / layers),
               fmt::format("{:.1f} %", 100.0 * number / total)});
  }
  table.print(out);
  if (const Json& crossover = forward["crossover_tokens"]; !crossover.is_null()) {
    fmt::print(out,
               "  attention costs as much as the FFN at {} tokens{}\n",
               crossover.get<std::int64_t>(),
               model["windowed"].get<bool>() ? "" : ", without a mask at half of that");
  }
  const Json& cache = model["cache"];
  fmt::print(out,
             "  a sequence of {} tokens keeps {} in a 16-bit cache, {:.0f} bytes a token\n",
             forward["sequence"].get<std::int64_t>(),
             text_of(cache["sequence_bytes"].get<double>() * unit::byte),
             cache["bytes_per_token"].get<double>());
}

void print_difference(const Json& from, const Json& to, std::ostream& out) {
  fmt::print(out,
             "from {} to {}, 16-bit weights\n",
             from["name"].get<std::string>(),
             to["name"].get<std::string>());
  TextTable table({{"part", Align::left}, {"parameters"}, {"MiB"}}, 2);
  constexpr double mebibyte = 1024.0 * 1024.0;
  const auto row = [&](std::string name, double difference) {
    table.add({std::move(name),
               fmt::format("{:+.0f}", difference),
               fmt::format("{:+.1f}", difference * parameter_bytes / mebibyte)});
  };
  for (const auto& [part, count] : to["parameters_of"].items()) {
    const double difference = count.get<double>() - from["parameters_of"][part].get<double>();
    if (difference != 0.0) {
      std::string name = part;
      std::ranges::replace(name, '_', ' ');
      row(name, difference);
    }
  }
  row("all", to["parameters"].get<double>() - from["parameters"].get<double>());
  table.print(out);
}

}  // namespace forerun
