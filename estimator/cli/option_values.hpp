// From the text of one option to its value; each throws InputError that says what was expected.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "estimator/capacity/serving_format.hpp"
#include "estimator/cli/option_table.hpp"
#include "jobs/recipe.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// A whole number from 1 to 1T; suffixes K M B T.
[[nodiscard]] std::int64_t whole_number(const OptionValue& value);
/// The same up to 100K sequences, and up to 100M tokens.
[[nodiscard]] std::int64_t micro_batch_size(const OptionValue& value);
[[nodiscard]] std::int64_t sequence_length(const OptionValue& value);
/// One or several: "64", "64|96", "64..512" (64, 128, 256, 512; the upper end always).
[[nodiscard]] std::vector<std::int64_t> count_set(const OptionValue& value);
/// A count above 0 that need not be whole in its own unit: "1.5T".
[[nodiscard]] double token_count(const OptionValue& value);
/// A number from 0 to 2^64 - 1, without suffix.
[[nodiscard]] std::uint64_t seed_number(const OptionValue& value);
/// A plain decimal number above 0: "2030", "2030.5", "30".
[[nodiscard]] double positive_number(const OptionValue& value);
/// A factor of at least 1: "1.05".
[[nodiscard]] double slowdown(const OptionValue& value);
/// A share: "5%" or "0.05".
[[nodiscard]] double fraction(const OptionValue& value);
/// A time above 0: "60s", "10min".
[[nodiscard]] Seconds duration(const OptionValue& value);
/// Any text but the empty one.
[[nodiscard]] std::string nonempty_text(const OptionValue& value);
/// What --recompute takes.
[[nodiscard]] StageSplit stage_split(const OptionValue& value);
[[nodiscard]] ExpertLoad expert_load(const OptionValue& value);
[[nodiscard]] ExpertDispatch expert_dispatch(const OptionValue& value);
[[nodiscard]] LoraTargets lora_targets(const OptionValue& value);
[[nodiscard]] RecomputePolicy recompute_policy(const OptionValue& value);
[[nodiscard]] Offload offload(const OptionValue& value);
/// "any" for all of them, or several joined by "|".
[[nodiscard]] std::vector<Offload> offload_set(const OptionValue& value);
/// "256:8": experts, and those of them that work on a token.
[[nodiscard]] ExpertSplit expert_split(const OptionValue& value);
/// "full" is 0, "hsdp:8" is 8.
[[nodiscard]] std::int64_t shard_group(const OptionValue& value);
/// What --precision of `capacity` takes, and what --kv-precision does: no 4-bit or block formats.
[[nodiscard]] ServingPrecision serving_precision(const OptionValue& value);
[[nodiscard]] ServingPrecision cache_precision(const OptionValue& value);
[[nodiscard]] bool flag_state(const OptionValue& value);

/// The index of the text in `words`.
[[nodiscard]] std::size_t word_index(const OptionValue& value, std::span<const std::string> words);

}  // namespace forerun
