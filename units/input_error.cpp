#include "units/input_error.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <numeric>
#include <optional>
#include <utility>

namespace forerun {
namespace {

// Letters to be put in, left out or changed, or neighbours that change places: optimal string
// alignment, by rows of which the last three are kept.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before;
  std::vector<std::size_t> last;
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substitute});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row.back();
}

// Of two whole numbers; else 0.
std::uint64_t difference(std::string_view a, std::string_view b) {
  const auto number = [](std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_whole = error == std::errc() && end == text.data() + text.size();
    return is_whole ? std::optional(value) : std::nullopt;
  };
  const auto first = number(a);
  const auto second = number(b);
  return first && second ? std::max(*first, *second) - std::min(*first, *second) : 0;
}

}  // namespace

InputError::InputError(std::string_view where, std::string_view problem)
    : std::runtime_error(std::string(where) + ": " + std::string(problem)) {}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  // Of words that are as near, numbers by their difference.
  const auto best = std::ranges::min_element(candidates, {}, [&](const std::string& candidate) {
    return std::pair(edit_distance(word, candidate), difference(word, candidate));
  });
  return best == candidates.end() ? std::string() : *best;
}

std::string listed(std::span<const std::string> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) {
      text += i + 1 == words.size() ? " or " : ", ";
    }
    text += words[i];
  }
  return text;
}

}  // namespace forerun
