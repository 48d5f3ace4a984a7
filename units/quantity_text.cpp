#include "units/quantity_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

struct Suffix {
  std::string_view text;
  double factor;
};

struct NumberAndSuffix {
  double number;
  std::string_view suffix;
};

// Splits "80 GiB" into 80 and "GiB"; nothing if it does not start with a number.
std::optional<NumberAndSuffix> split(std::string_view text) {
  NumberAndSuffix parts{0.0, {}};
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, parts.number);
  if (error != std::errc() || !std::isfinite(parts.number)) {
    return std::nullopt;
  }
  parts.suffix = text.substr(static_cast<std::size_t>(next - text.data()));
  while (!parts.suffix.empty() && parts.suffix.front() == ' ') {
    parts.suffix.remove_prefix(1);
  }
  return parts;
}

std::optional<double> scaled(std::string_view text, std::span<const Suffix> suffixes) {
  const auto parts = split(text);
  if (!parts || parts->number < 0.0) {
    return std::nullopt;
  }
  for (const Suffix& suffix : suffixes) {
    if (parts->suffix == suffix.text) {
      return parts->number * suffix.factor;
    }
  }
  return std::nullopt;
}

constexpr auto counts =
    std::to_array<Suffix>({{"", 1.0}, {"K", 1e3}, {"M", 1e6}, {"B", 1e9}, {"T", 1e12}});
constexpr auto sizes = std::to_array<Suffix>({{"B", 1.0},
                                              {"KB", 1e3},
                                              {"kB", 1e3},
                                              {"MB", 1e6},
                                              {"GB", 1e9},
                                              {"TB", 1e12},
                                              {"KiB", 1024.0},
                                              {"MiB", 1048576.0},
                                              {"GiB", 1073741824.0},
                                              {"TiB", 1099511627776.0}});
constexpr auto rates = std::to_array<Suffix>({{"B/s", 1.0},
                                              {"KB/s", 1e3},
                                              {"MB/s", 1e6},
                                              {"GB/s", 1e9},
                                              {"TB/s", 1e12},
                                              {"GiB/s", 1073741824.0},
                                              {"Mb/s", 1e6 / 8.0},
                                              {"Gb/s", 1e9 / 8.0},
                                              {"Tb/s", 1e12 / 8.0}});
constexpr auto times = std::to_array<Suffix>({{"s", 1.0},
                                              {"ms", 1e-3},
                                              {"us", 1e-6},
                                              {"ns", 1e-9},
                                              {"min", 60.0},
                                              {"h", 3600.0},
                                              {"d", 86400.0}});
constexpr auto flop_rates = std::to_array<Suffix>({{"FLOP/s", 1.0},
                                                   {"kFLOP/s", 1e3},
                                                   {"MFLOP/s", 1e6},
                                                   {"GFLOP/s", 1e9},
                                                   {"TFLOP/s", 1e12},
                                                   {"PFLOP/s", 1e15},
                                                   {"EFLOP/s", 1e18}});
constexpr auto powers = std::to_array<Suffix>({{"W", 1.0}, {"kW", 1e3}, {"MW", 1e6}});

// Three significant digits without an exponent: 1.23, 45.6, 789, 12345.
std::string three_digits(double value) {
  const double size = std::abs(value);
  if (size == 0.0) {
    return "0";
  }
  const int before_point = static_cast<int>(std::floor(std::log10(size))) + 1;
  const int decimals = before_point >= 3 ? 0 : 3 - before_point;
  std::string text = fmt::format("{:.{}f}", value, decimals);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') {
      text.pop_back();
    }
  }
  return text;
}

// The largest unit of which there is at least one; `units` run from small to large.
std::string with_unit(double value, std::span<const Suffix> units, std::string_view space = " ") {
  const Suffix* best = units.data();
  if (value == 0.0) {
    return "0";
  }
  for (const Suffix& unit : units) {
    if (std::abs(value) >= unit.factor * 0.9995) {
      best = &unit;
    }
  }
  return fmt::format("{}{}{}", three_digits(value / best->factor), space, best->text);
}

}  // namespace

std::optional<double> parse_count(std::string_view text) {
  return scaled(text, counts);
}

std::optional<std::int64_t> parse_whole(std::string_view text, std::int64_t least) {
  const auto value = parse_count(text);
  if (!value || *value != std::floor(*value) || *value > 9e18) {
    return std::nullopt;
  }
  const auto whole = static_cast<std::int64_t>(*value);
  return whole < least ? std::nullopt : std::optional(whole);
}

std::optional<Bytes> parse_bytes(std::string_view text) {
  const auto value = scaled(text, sizes);
  return value ? std::optional(*value * unit::byte) : std::nullopt;
}

std::optional<BytesPerSecond> parse_rate(std::string_view text) {
  const auto value = scaled(text, rates);
  return value ? std::optional(*value * unit::byte / unit::second) : std::nullopt;
}

std::optional<Seconds> parse_time(std::string_view text) {
  const auto value = scaled(text, times);
  return value ? std::optional(*value * unit::second) : std::nullopt;
}

std::optional<FlopsPerSecond> parse_flop_rate(std::string_view text) {
  const auto value = scaled(text, flop_rates);
  return value ? std::optional(*value * unit::flop / unit::second) : std::nullopt;
}

std::optional<Watts> parse_power(std::string_view text) {
  const auto value = scaled(text, powers);
  return value ? std::optional(*value * unit::watt) : std::nullopt;
}

std::string text_of(Seconds time) {
  constexpr auto units = std::to_array<Suffix>(
      {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1.0}, {"h", 3600.0}, {"d", 86400.0}});
  // Below a femtosecond is what differences of sums leave behind.
  constexpr double least = 1e-15;
  const double seconds = time.in(unit::second);
  return with_unit(std::abs(seconds) < least ? 0.0 : seconds, units);
}

std::string text_of(Bytes size) {
  constexpr auto units = std::to_array<Suffix>(
      {{"B", 1.0}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}});
  return with_unit(size.in(unit::byte), units);
}

std::string text_of(BytesPerSecond rate) {
  constexpr auto units = std::to_array<Suffix>(
      {{"B/s", 1.0}, {"KB/s", 1e3}, {"MB/s", 1e6}, {"GB/s", 1e9}, {"TB/s", 1e12}, {"PB/s", 1e15}});
  return with_unit(rate.in(unit::byte / unit::second), units);
}

std::string text_of(FlopsPerSecond rate) {
  constexpr auto units = std::to_array<Suffix>({{"FLOP/s", 1.0},
                                                {"kFLOP/s", 1e3},
                                                {"MFLOP/s", 1e6},
                                                {"GFLOP/s", 1e9},
                                                {"TFLOP/s", 1e12},
                                                {"PFLOP/s", 1e15}});
  return with_unit(rate.in(unit::flop / unit::second), units);
}

std::string count_text(double count) {
  return with_unit(count, counts, "");
}

}  // namespace forerun
