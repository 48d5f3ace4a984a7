#include "estimator/measure/skipped_lines.hpp"

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <string>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

namespace forerun {
namespace {

// A short budget leaves out hundreds: more lines than what it measured.
constexpr std::size_t most_lines = 12;

}  // namespace

void print_skipped(const nlohmann::ordered_json& skipped, std::ostream& out) {
  // One more would take the line that says so.
  const std::size_t shown = skipped.size() == most_lines + 1 ? skipped.size() : most_lines;
  for (std::size_t i = 0; i < std::min(shown, skipped.size()); ++i) {
    fmt::print(out, "skipped: {}\n", skipped[i].get<std::string>());
  }
  if (skipped.size() > shown) {
    fmt::print(out, "skipped: {} more, which the profile lists\n", skipped.size() - shown);
  }
}

}  // namespace forerun
