// A shell's variables, and its sums of whole numbers.
#pragma once

#include <cctype>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forerun {

[[nodiscard]] inline bool is_shell_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

[[nodiscard]] inline bool is_shell_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

class ShellVariables {
 public:
  /// `target`: "NAME=" or "NAME+=". An array that grows gains words, another variable text.
  void assign(std::string_view target, const std::vector<std::string>& values, bool is_array);

  /// Null where it was not set.
  [[nodiscard]] const std::vector<std::string>* find(std::string_view name) const;

 private:
  std::map<std::string, std::vector<std::string>> values_;
};

/// What stands within $((...)): + - * / % and parentheses over numbers and variables. Nothing where
/// it is more than that, or goes beyond 2^62.
[[nodiscard]] std::optional<std::int64_t> shell_sum(std::string_view text,
                                                    const ShellVariables& variables);

}  // namespace forerun
