// The arguments that a shell script gives its programs: words, quotes, variables and arrays.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace forerun {

struct ShellWord {
  std::string text;
  int line = 0;  ///< from 1
};

struct ShellReading {
  /// Commands with at least one word that begins with "--", in order. A line of a bare argument
  /// list is such a command too.
  std::vector<std::vector<ShellWord>> commands;
  std::vector<std::string> notes;  ///< what was not followed: "line 12: if"
  bool blocks_launches = false;    ///< CUDA_LAUNCH_BLOCKING is 1 at the last command
};

/// Reads a script without running it: assignments, arrays, `+=`, ${NAME:-default}, "${NAME[@]}" and
/// $((sums)) are followed; if, for, while, case and functions are not: their bodies are left out
/// and noted. What cannot be known, as $(command) or a variable that is not set, stays as it is
/// written. Throws InputError, with `where` and the line, where variables expand to more than the
/// largest file may hold.
[[nodiscard]] ShellReading read_shell(std::string_view text, const std::string& where);

/// The words of the command with the most options; every line of a bare argument list together.
[[nodiscard]] std::vector<ShellWord> arguments_of(const ShellReading& reading);

}  // namespace forerun
