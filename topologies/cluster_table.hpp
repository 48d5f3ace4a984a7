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
  [[nodiscard]] std::optional<double> optional_number(std::string_view key,
                                                      double low,
                                                      double high) const;
  /// A fraction in (0, 1].
  [[nodiscard]] double fraction(std::string_view key) const;
  [[nodiscard]] std::optional<double> optional_fraction(std::string_view key) const;

  [[nodiscard]] Bytes bytes(std::string_view key) const;
  [[nodiscard]] Seconds time(std::string_view key) const;
  [[nodiscard]] BytesPerSecond rate(std::string_view key) const;
  [[nodiscard]] std::optional<BytesPerSecond> optional_rate(std::string_view key) const;
  [[nodiscard]] std::optional<Watts> optional_power(std::string_view key) const;
  [[nodiscard]] FlopsPerSecond flop_rate(std::string_view key) const;

  /// The table under `key`, or nothing.
  [[nodiscard]] const toml::table* optional_table(std::string_view key) const;
  /// The tables of `[[key]]`, at least one.
  [[nodiscard]] std::vector<const toml::table*> tables(std::string_view key) const;

  /// Throws InputError at the key (at the table where the key is absent).
  [[noreturn]] void fail(std::string_view key, const std::string& problem) const;

 private:
  [[nodiscard]] const toml::node* find(std::string_view key) const;
  [[nodiscard]] const toml::node& find_required(std::string_view key) const;
  template <typename Parse>
  [[nodiscard]] auto with_unit(std::string_view key, Parse parse, std::string_view example) const;

  const toml::table* table_;
  std::string label_;
  std::string file_;
};

}  // namespace forerun
