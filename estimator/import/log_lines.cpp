#include "estimator/import/log_lines.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include <fmt/format.h>

namespace forerun {
namespace {

// No row of a table is longer; regular expressions take stack by the byte.
constexpr std::size_t longest_line = 4096;

// Digits as 0, letters as a, so that "Tue Dec  1 01:19:23 2026" becomes a form.
bool has_form(std::string_view text, std::string_view form) {
  const auto fits = [](char at, char wanted) {
    const bool is_digit = at >= '0' && at <= '9';
    const bool is_letter = (at >= 'a' && at <= 'z') || (at >= 'A' && at <= 'Z');
    switch (wanted) {
      case '0':
        return is_digit;
      case 'a':
        return is_letter;
      case ' ':
        return at == ' ' || is_digit;  // of a day
      default:
        return at == wanted;
    }
  };
  return text.size() >= form.size() && std::ranges::equal(text.substr(0, form.size()), form, fits);
}

// "Tue Dec  1 01:19:23 2026<stdout>:text", or a tag behind the year, of mpirun --timestamp-output;
// "2026-12-01T01:19:23.123Z text" of collectors of logs, with a space for the T or "stdout F"
// behind it.
std::string_view without_time(std::string_view text) {
  constexpr std::string_view of_mpirun = "aaa aaa  0 00:00:00 0000";
  constexpr std::string_view of_collectors = "0000-00-00T00:00:00";
  constexpr std::string_view with_a_space = "0000-00-00 00:00:00";
  if (has_form(text, of_mpirun)) {
    text.remove_prefix(of_mpirun.size());
    const std::size_t end = text.find(">:");
    if (text.starts_with("<std") && end != std::string_view::npos) {
      text.remove_prefix(end + 2);
    }
  } else if (has_form(text, of_collectors) || has_form(text, with_a_space)) {
    const std::size_t end = std::min(text.find_first_of(" \t", of_collectors.size()), text.size());
    text.remove_prefix(std::min(end + 1, text.size()));
    for (const std::string_view stream : {"stdout F ", "stderr F "}) {
      text.remove_prefix(text.starts_with(stream) ? stream.size() : 0);
    }
  }
  return text;
}

// "[1,0]<stdout>: text" of mpirun --tag-output.
std::string_view without_tag(std::string_view text) {
  text = without_time(text);
  const std::size_t end = text.find(">:");
  if (text.starts_with('[') && end != std::string_view::npos &&
      text.substr(0, end).find("]<std") != std::string_view::npos) {
    text.remove_prefix(end + 2);
    text = without_time(text);
  }
  // "[0] text" of mpiexec -l and -prepend-rank.
  const std::size_t bracket = std::min(text.find_first_not_of("0123456789", 1), text.size());
  if (text.starts_with('[') && bracket > 1 && text.substr(bracket).starts_with("] ")) {
    text.remove_prefix(bracket + 2);
  }
  // "0: text" of srun --label, right-aligned.
  const std::size_t digits = text.find_first_not_of(' ');
  const std::size_t colon = std::min(text.find_first_not_of("0123456789", digits), text.size());
  if (colon != digits && text.substr(colon).starts_with(": ")) {
    text.remove_prefix(colon + 2);
  } else if (colon != digits && text.substr(colon) == ":") {
    text = {};
  }
  while (text.ends_with('\r')) {
    text.remove_suffix(1);
  }
  return text;
}

}  // namespace

std::vector<LogLine> log_lines(std::string_view text, const std::string& path) {
  std::vector<LogLine> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = end <= longest_line ? text.substr(0, end) : "";
    lines.push_back({fmt::format("{}:{}", path, lines.size() + 1),
                     std::string(without_tag(line)),
                     end == text.size()});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string> words_of(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; stream >> word;) {
    words.push_back(word);
  }
  return words;
}

double positive_number_in(std::string_view word) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  const bool is_whole = error == std::errc{} && end == word.data() + word.size();
  constexpr double most = 9007199254740992.0;  // above it, not every whole number is a double
  return is_whole && value > 0.0 && value <= most ? value : 0.0;
}

}  // namespace forerun
