// Checks of single option values and the sentences of what is wrong with them.
#include "estimator/cli/option_values.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "units/input_error.hpp"
#include "units/quantity_text.hpp"

namespace forerun {
namespace {

template <class T>
T required(const std::optional<T>& parsed, const OptionValue& value, std::string_view expected) {
  if (!parsed) {
    throw InputError(value.where, fmt::format("'{}' is not {}", value.text, expected));
  }
  return *parsed;
}

template <class Number>
std::optional<Number> number_from(std::string_view text) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && next == end ? std::optional(number) : std::nullopt;
}

// Products of these with a model's sizes stay countable in 64 bits.
constexpr std::int64_t most_counted = 1'000'000'000'000;
constexpr std::int64_t largest_micro_batch = 100'000;
constexpr std::int64_t longest_sequence = 100'000'000;

std::int64_t no_more_than(std::int64_t most, std::int64_t number, const OptionValue& value) {
  if (number > most) {
    throw InputError(value.where,
                     fmt::format("{} is more than any run has (expected at most {})",
                                 value.text,
                                 count_text(static_cast<double>(most))));
  }
  return number;
}

}  // namespace

std::int64_t whole_number(const OptionValue& value) {
  const auto number = required(parse_whole(value.text, 1),
                               value,
                               "a whole number of at least 1 (expected one like 2048 or 2K)");
  return no_more_than(most_counted, number, value);
}

std::int64_t micro_batch_size(const OptionValue& value) {
  return no_more_than(largest_micro_batch, whole_number(value), value);
}

std::int64_t sequence_length(const OptionValue& value) {
  return no_more_than(longest_sequence, whole_number(value), value);
}

std::vector<std::int64_t> count_set(const OptionValue& value) {
  std::vector<std::int64_t> counts;
  for (std::size_t first = 0; first <= value.text.size();) {
    const std::size_t last = std::min(value.text.find('|', first), value.text.size());
    const std::string part = value.text.substr(first, last - first);
    const std::size_t dots = part.find("..");
    if (dots == std::string::npos) {
      counts.push_back(whole_number({value.where, part}));
    } else {
      const std::int64_t low = whole_number({value.where, part.substr(0, dots)});
      const std::int64_t high = whole_number({value.where, part.substr(dots + 2)});
      if (low > high) {
        throw InputError(value.where,
                         fmt::format("the range {} is empty (expected {}..{})", part, high, low));
      }
      std::int64_t count = low;
      for (; count <= high / 2; count *= 2) {
        counts.push_back(count);
      }
      if (count < high) {
        counts.push_back(count);
      }
      counts.push_back(high);
    }
    first = last + 1;
  }
  return counts;
}

double token_count(const OptionValue& value) {
  auto count = parse_count(value.text);
  if (count && *count < 1.0) {
    count.reset();
  }
  return required(count, value, "a count of at least 1 (expected one like 300B or 15T)");
}

std::uint64_t seed_number(const OptionValue& value) {
  return required(number_from<std::uint64_t>(value.text),
                  value,
                  "a whole number from 0 to 18446744073709551615 (expected one like 1)");
}

double positive_number(const OptionValue& value) {
  auto number = number_from<double>(value.text);
  if (number && !(std::isfinite(*number) && *number > 0.0)) {
    number.reset();
  }
  return required(number, value, "a number above 0 (expected one like 30 or 0.5)");
}

double slowdown(const OptionValue& value) {
  auto number = number_from<double>(value.text);
  if (number && !(std::isfinite(*number) && *number >= 1.0)) {
    number.reset();
  }
  return required(number, value, "a factor of at least 1 (expected one like 1.05)");
}

double fraction(const OptionValue& value) {
  OptionValue number = value;
  const bool is_percent = number.text.ends_with('%');
  if (is_percent) {
    number.text.pop_back();
  }
  return positive_number(number) * (is_percent ? 0.01 : 1.0);
}

Seconds duration(const OptionValue& value) {
  auto time = parse_time(value.text);
  if (time && *time <= Seconds()) {
    time.reset();
  }
  return required(time, value, "a time above 0 (expected one like 60s, 10min or 2h)");
}

std::string nonempty_text(const OptionValue& value) {
  if (value.text.empty()) {
    throw InputError(value.where, "the value is empty");
  }
  return value.text;
}

RecomputePolicy recompute_policy(const OptionValue& value) {
  static const std::vector<std::string> words{"none",
                                              "selective",
                                              "full",
                                              "block:1",
                                              "core_attn",
                                              "layernorm",
                                              "mlp_act",
                                              "mlp",
                                              "moe_act"};
  return required(
      recompute_policy_from(value.text),
      value,
      fmt::format("a recomputation (expected none, selective, full, block:N, block:N+N+... by "
                  "stage, or modules joined by +: core_attn, layernorm, mlp_act, mlp, moe_act; "
                  "nearest is {})",
                  nearest(value.text.substr(value.text.rfind('+') + 1), words)));
}

Offload offload(const OptionValue& value) {
  static const std::vector<std::string> words{"none", "activations", "optimizer", "weights"};
  return required(offload_from(value.text),
                  value,
                  fmt::format("an offloading (expected none, or names joined by commas: "
                              "activations, optimizer, weights; nearest is {})",
                              nearest(value.text.substr(value.text.rfind(',') + 1), words)));
}

std::vector<Offload> offload_set(const OptionValue& value) {
  if (value.text == "any") {
    return every_offload();
  }
  std::vector<Offload> set;
  for (std::size_t first = 0; first <= value.text.size();) {
    const std::size_t last = std::min(value.text.find('|', first), value.text.size());
    const Offload one = offload({value.where, value.text.substr(first, last - first)});
    if (std::ranges::find(set, one) == set.end()) {
      set.push_back(one);
    }
    first = last + 1;
  }
  return set;
}

LoraTargets lora_targets(const OptionValue& value) {
  static const std::vector<std::string> words{"all-linear",
                                              "q_proj",
                                              "k_proj",
                                              "v_proj",
                                              "o_proj",
                                              "gate_proj",
                                              "up_proj",
                                              "down_proj",
                                              "in_proj"};
  return required(
      lora_targets_from(value.text),
      value,
      fmt::format("linear layers (expected all-linear, or names joined by +: q_proj, k_proj, "
                  "v_proj, o_proj, gate_proj, up_proj, down_proj, in_proj; nearest is {})",
                  nearest(value.text.substr(value.text.rfind('+') + 1), words)));
}

ExpertDispatch expert_dispatch(const OptionValue& value) {
  return required(expert_dispatch_from(value.text),
                  value,
                  "a way of tokens to their experts (expected plain, hierarchical or "
                  "node-limited:M, like node-limited:4)");
}

StageSplit stage_split(const OptionValue& value) {
  return required(
      stage_split_from(value.text),
      value,
      "a split of layers (expected even, ends:E+H like ends:1+1, or the layers of every "
      "chunk like 15+16+16+15)");
}

ExpertLoad expert_load(const OptionValue& value) {
  return required(
      expert_load_from(value.text),
      value,
      "a load of the experts (expected balanced, multinomial, power-law:ALPHA, like "
      "power-law:1.2, or busiest:FACTOR with a factor of at least 1, like busiest:1.3)");
}

ExpertSplit expert_split(const OptionValue& value) {
  constexpr std::int64_t most_experts = 65'536;
  const std::string_view text = value.text;
  const std::size_t colon = std::min(text.find(':'), text.size());
  const auto experts = parse_whole(text.substr(0, colon), 1);
  const auto top_k =
      colon < text.size() ? parse_whole(text.substr(colon + 1), 1) : std::optional<std::int64_t>();
  const bool is_split = experts && top_k && *top_k <= *experts && *experts <= most_experts;
  return required(
      is_split ? std::optional(ExpertSplit{*experts, *top_k}) : std::nullopt,
      value,
      "a number of experts and of those that work on a token (expected one like 256:8)");
}

std::int64_t shard_group(const OptionValue& value) {
  constexpr std::string_view hybrid = "hsdp:";
  if (value.text == "full") {
    return 0;
  }
  const std::string_view text = value.text;
  return required(text.starts_with(hybrid) ? parse_whole(text.substr(hybrid.size()), 2)
                                           : std::optional<std::int64_t>(),
                  value,
                  "a sharding (expected full or hsdp:N)");
}

bool flag_state(const OptionValue& value) {
  if (value.text != "true" && value.text != "false") {
    throw InputError(value.where, fmt::format("'{}' is not true or false", value.text));
  }
  return value.text == "true";
}

std::size_t word_index(const OptionValue& value, std::span<const std::string> words) {
  const auto found = std::ranges::find(words, value.text);
  if (found != words.end()) {
    return static_cast<std::size_t>(found - words.begin());
  }
  throw InputError(value.where,
                   fmt::format("'{}' is not one of its values (expected {}; nearest is {})",
                               value.text,
                               listed(words),
                               nearest(value.text, words)));
}

namespace {

ServingPrecision one_of(const OptionValue& value, const std::vector<std::string>& words) {
  return *serving_precision_from(words[word_index(value, words)]);
}

}  // namespace

ServingPrecision serving_precision(const OptionValue& value) {
  return one_of(value, {"bf16", "fp16", "fp32", "fp8", "mxfp8", "nvfp4", "int8", "int4"});
}

ServingPrecision cache_precision(const OptionValue& value) {
  return one_of(value, {"bf16", "fp16", "fp32", "fp8", "int8"});
}

}  // namespace forerun
