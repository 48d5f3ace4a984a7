// From the text of one option to its value; each throws InputError that says what was expected.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "estimator/cli/option_table.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// A whole number of at least 1; suffixes K M B T.
[[nodiscard]] std::int64_t whole_number(const OptionValue& value);
/// A count above 0 that need not be whole in its own unit: "1.5T".
[[nodiscard]] double token_count(const OptionValue& value);
/// A number from 0 to 2^64 - 1, without suffix.
[[nodiscard]] std::uint64_t seed_number(const OptionValue& value);
/// A plain decimal number above 0: "2030", "2030.5", "30".
[[nodiscard]] double positive_number(const OptionValue& value);
/// A time above 0: "60s", "10min".
[[nodiscard]] Seconds duration(const OptionValue& value);
/// Any text but the empty one.
[[nodiscard]] std::string nonempty_text(const OptionValue& value);
[[nodiscard]] bool flag_state(const OptionValue& value);

/// The index of the text in `words`. Texts in `unmodelled` have a meaning that nothing prices yet.
[[nodiscard]] std::size_t word_index(const OptionValue& value,
                                     std::span<const std::string> words,
                                     std::span<const std::string> unmodelled);

}  // namespace forerun
