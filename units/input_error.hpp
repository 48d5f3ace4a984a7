// What is thrown when the user's input is wrong: exit code 2 and one sentence.
#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace forerun {

/// Thrown by readers, parsers and checks of user input only; caught once, in main.
/// `what()` is one sentence: where (file:line or option), what is wrong, what was expected.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;

  /// `where` is "file.toml:14" or "--option"; reads "where: problem".
  InputError(std::string_view where, std::string_view problem);
};

/// The candidate with the smallest edit distance to `word`; empty if there is no candidate.
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// "a, b or c".
[[nodiscard]] std::string listed(std::span<const std::string> words);

}  // namespace forerun
