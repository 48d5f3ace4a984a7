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

}  // namespace

std::int64_t whole_number(const OptionValue& value) {
  return required(parse_whole(value.text, 1),
                  value,
                  "a whole number of at least 1 (expected one like 2048 or 2K)");
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

bool flag_state(const OptionValue& value) {
  if (value.text != "true" && value.text != "false") {
    throw InputError(value.where, fmt::format("'{}' is not true or false", value.text));
  }
  return value.text == "true";
}

std::size_t word_index(const OptionValue& value,
                       std::span<const std::string> words,
                       std::span<const std::string> unmodelled) {
  const auto found = std::ranges::find(words, value.text);
  if (found != words.end()) {
    return static_cast<std::size_t>(found - words.begin());
  }
  if (std::ranges::find(unmodelled, value.text) != unmodelled.end()) {
    throw InputError(
        value.where,
        fmt::format("'{}' is not modelled yet (expected {})", value.text, listed(words)));
  }
  throw InputError(value.where,
                   fmt::format("'{}' is not one of its values (expected {}; nearest is {})",
                               value.text,
                               listed(words),
                               nearest(value.text, words)));
}

}  // namespace forerun
