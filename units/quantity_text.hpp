// The text form of quantities: "450 GB/s" <-> BytesPerSecond. The only place that spells units.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "units/quantity.hpp"

namespace forerun {

/// Counts take K M B T (decimal): "15T" is 15e12. Nothing if the text is not a count.
[[nodiscard]] std::optional<double> parse_count(std::string_view text);
/// A whole number of at least `least`, with an optional suffix K M B T.
[[nodiscard]] std::optional<std::int64_t> parse_whole(std::string_view text,
                                                      std::int64_t least = 0);
/// Sizes: "80GB", "80GiB", "512 MB", "64B".
[[nodiscard]] std::optional<Bytes> parse_bytes(std::string_view text);
/// Rates: "400Gb/s", "50GB/s", "3.35TB/s".
[[nodiscard]] std::optional<BytesPerSecond> parse_rate(std::string_view text);
/// Times: "30s", "10min", "2h", "30d", "5us", "3ms".
[[nodiscard]] std::optional<Seconds> parse_time(std::string_view text);
/// Work rates: "989TFLOP/s", "312 TFLOP/s", "1.2PFLOP/s".
[[nodiscard]] std::optional<FlopsPerSecond> parse_flop_rate(std::string_view text);
/// Power: "700W", "1.2 kW".
[[nodiscard]] std::optional<Watts> parse_power(std::string_view text);

/// Three significant digits with a fitting unit: "1.23 ms", "79.4 GiB", "346 GB/s", "405 TFLOP/s".
[[nodiscard]] std::string text_of(Seconds time);
[[nodiscard]] std::string text_of(Bytes size);
[[nodiscard]] std::string text_of(BytesPerSecond rate);
[[nodiscard]] std::string text_of(FlopsPerSecond rate);
/// "124M", "15T", "2.08M": three significant digits, decimal suffix.
[[nodiscard]] std::string count_text(double count);

}  // namespace forerun
