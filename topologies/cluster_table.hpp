// A TOML table whose keys are known: typed reading, every complaint with file, line and column.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "units/quantity.hpp"

namespace forerun {

/// For numbers of a table that no bound above is known of.
inline constexpr double no_limit = 1e12;

/// Root of a TOML text; throws InputError with file, line and column where it does not parse.
[[nodiscard]] toml::table parse_toml(std::string_view text, const std::string& where);

/// Reads values of one table; refuses keys outside `known` (nearest known named). `label` is the
/// table's name in messages ("[device]"), `file` where the text came from. The table must outlive
/// this. Every method throws InputError for a value of the wrong type or without its unit; those
/// without optional also for a missing key.
class ClusterTable {
 public:
  ClusterTable(const toml::table& table,
               std::string label,
               std::string file,
               std::initializer_list<std::string_view> known);

  [[nodiscard]] std::string text(std::string_view key) const;
  [[nodiscard]] std::optional<std::string> optional_text(std::string_view key) const;
  /// A whole number of at least 1.
  [[nodiscard]] std::int64_t count(std::string_view key) const;
  [[nodiscard]] std::optional<std::int64_t> optional_count(std::string_view key) const;

  /// A plain number in [low, high].
  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }

  [[nodiscard]] double number(std::string_view key, double low, double high) const;
  [[nodiscard]] std::optional<double> optional_number(std::string_view key,
                                                      double low,
                                                      double high) const;
  /// A list of plain numbers, or of lists of them (read row by row), each in [low, high].
  [[nodiscard]] std::vector<double> numbers(std::string_view key, double low, double high) const;
  /// A list of texts in quotes, at least one.
  [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;
  /// A fraction in (0, 1].
  [[nodiscard]] double fraction(std::string_view key) const;
  [[nodiscard]] std::optional<double> optional_fraction(std::string_view key) const;

  /// true or false without quotes.
  [[nodiscard]] std::optional<bool> optional_flag(std::string_view key) const;
  /// A list of whole numbers of at least 1; empty where the key is absent.
  [[nodiscard]] std::vector<std::int64_t> counts(std::string_view key) const;
  /// The place of the key's text among `choices`; nothing where the key is absent.
  [[nodiscard]] std::optional<std::size_t> optional_choice(
      std::string_view key, const std::vector<std::string>& choices) const;

  [[nodiscard]] Bytes bytes(std::string_view key) const;
  [[nodiscard]] Seconds time(std::string_view key) const;
  [[nodiscard]] std::optional<Seconds> optional_time(std::string_view key) const;
  [[nodiscard]] BytesPerSecond rate(std::string_view key) const;
  [[nodiscard]] std::optional<BytesPerSecond> optional_rate(std::string_view key) const;
  [[nodiscard]] std::optional<Watts> optional_power(std::string_view key) const;
  [[nodiscard]] FlopsPerSecond flop_rate(std::string_view key) const;

  /// The table under `key`, or nothing.
  [[nodiscard]] const toml::table* optional_table(std::string_view key) const;
  /// The tables of `[[key]]`, at least one.
  [[nodiscard]] std::vector<const toml::table*> tables(std::string_view key) const;
  /// None where the key is absent.
  [[nodiscard]] std::vector<const toml::table*> optional_tables(std::string_view key) const;

  /// Throws InputError at the key (at the table where the key is absent).
  [[noreturn]] void fail(std::string_view key, const std::string& problem) const;

 private:
  [[nodiscard]] const toml::node* find(std::string_view key) const;
  [[nodiscard]] const toml::node& find_required(std::string_view key) const;
  void append_numbers(std::string_view key,
                      const toml::array& list,
                      double low,
                      double high,
                      std::vector<double>& all) const;
  template <typename Parse>
  [[nodiscard]] auto with_unit(std::string_view key, Parse parse, std::string_view example) const;

  const toml::table* table_;
  std::string label_;
  std::string file_;
};

}  // namespace forerun
