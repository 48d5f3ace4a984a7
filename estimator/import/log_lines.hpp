// A log of another tool as numbered lines of words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace forerun {

struct LogLine {
  std::string place;     ///< "run.log:17", for messages
  std::string text;      ///< without times of mpirun --timestamp-output and collectors, and
                         ///< the tag of mpirun --tag-output, mpiexec -l or srun --label
  bool is_last = false;  ///< and without an end: a run that was killed may have cut it off
};

/// `path` names the text in messages. Lines of more than 4,096 bytes are taken as empty.
[[nodiscard]] std::vector<LogLine> log_lines(std::string_view text, const std::string& path);

/// What white space parts.
[[nodiscard]] std::vector<std::string> words_of(std::string_view text);

/// The whole word as a number above zero and up to 2^53, else 0.
[[nodiscard]] double positive_number_in(std::string_view word);

}  // namespace forerun
