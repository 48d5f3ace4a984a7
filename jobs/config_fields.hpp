// The fields of a JSON file that the user gave, each with the line it stands on.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace forerun {

/// Reads fields by name and type; every wrong one is an InputError that names file, line and field.
class ConfigFields {
 public:
  /// `where` is the file's name in messages. Throws InputError, with line and column, for text
  /// that is empty, not JSON or not an object.
  ConfigFields(std::string_view text, std::string where);

  /// A whole number from 1 to 1e9 that must be there.
  [[nodiscard]] std::int64_t size(const std::string& key) const;
  /// The same; `fallback` where the field is absent or null.
  [[nodiscard]] std::int64_t size_or(const std::string& key, std::int64_t fallback) const;
  /// The same, where null has a meaning of its own: nothing for null, `absent` for no such field.
  [[nodiscard]] std::optional<std::int64_t> nullable_size(const std::string& key,
                                                          std::optional<std::int64_t> absent) const;
  /// A whole number from 0 to 1e9.
  [[nodiscard]] std::int64_t count_or(const std::string& key, std::int64_t fallback) const;

  [[nodiscard]] bool flag_or(const std::string& key, bool fallback) const;
  [[nodiscard]] std::string word(const std::string& key) const;
  [[nodiscard]] bool is_word(const std::string& key, std::string_view word) const;
  [[nodiscard]] std::string word_or(const std::string& key, const std::string& fallback) const;
  /// A number above 0, or nothing for null; `absent` for no such field.
  [[nodiscard]] std::optional<double> nullable_number(const std::string& key,
                                                      std::optional<double> absent) const;
  /// A list of texts, or of whole numbers; empty where the field is absent or null.
  [[nodiscard]] std::vector<std::string> words(const std::string& key) const;
  [[nodiscard]] std::vector<std::int64_t> whole_numbers(const std::string& key) const;

  /// Whether the field is there and not null.
  [[nodiscard]] bool is_given(const std::string& key) const;

  /// Whether the field is there, null or not.
  [[nodiscard]] bool has(const std::string& key) const { return find(key) != nullptr; }

  /// Whether the field is there and is anything but null or an empty list.
  [[nodiscard]] bool is_filled(const std::string& key) const;

  /// The fields of the object that `key` holds; no fields where it is absent or null. Messages name
  /// them "key.field".
  [[nodiscard]] ConfigFields inside(const std::string& key) const;

  /// Throws InputError at the field's line, or at the file where the field is absent.
  [[noreturn]] void refuse(const std::string& key, std::string_view problem) const;

 private:
  struct Null {};

  struct EmptyList {};

  struct Object {};

  struct Other {};

  struct Field {
    std::variant<Null,
                 EmptyList,
                 Object,
                 Other,
                 bool,
                 std::int64_t,
                 double,
                 std::string,
                 std::vector<std::string>,
                 std::vector<std::int64_t>>
        value;
    std::string written;  // as JSON, cut short, for messages
    std::size_t line = 1;
  };

  using Lines = std::map<std::string, std::size_t, std::less<>>;

  [[nodiscard]] static Field field_of(const nlohmann::json& value);
  void add_object(const nlohmann::json& object, const std::string& prefix, const Lines& lines);
  [[nodiscard]] const Field* find(const std::string& key) const;
  [[nodiscard]] std::int64_t whole(const std::string& key, std::int64_t least) const;
  template <typename Type>
  [[nodiscard]] const Type& typed(const std::string& key, std::string_view expected) const;

  template <typename Item>
  [[nodiscard]] std::vector<Item> list(const std::string& key, std::string_view expected) const;

  std::string where_;
  std::string prefix_;  // of the object whose fields these are, with its dot
  std::map<std::string, Field, std::less<>> fields_;  // by path, "text_config.hidden_size"
};

}  // namespace forerun
