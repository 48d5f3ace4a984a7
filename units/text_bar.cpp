#include "units/text_bar.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <ostream>
#include <string_view>

#include <unistd.h>

namespace forerun {
namespace {

// Each stream carries its style, so that what goes into a file never has bars.
int style_slot() {
  static const int slot = std::ios_base::xalloc();
  return slot;
}

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? std::string_view() : value;
}

// The first of the three that is set decides, as for setlocale.
bool has_utf8_locale() {
  for (const char* const which : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (const std::string_view locale = variable(which); !locale.empty()) {
      std::string name(locale);
      std::ranges::transform(
          name, name.begin(), [](unsigned char letter) { return std::tolower(letter); });
      return name.find("utf-8") != std::string::npos || name.find("utf8") != std::string::npos;
    }
  }
  return false;
}

std::string blocks(double share, int width) {
  constexpr std::array<std::string_view, 8> eighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto count = static_cast<std::size_t>(std::lround(share * width * 8.0));
  std::string bar;
  for (std::size_t i = 0; i < count / 8; ++i) {
    bar += "█";
  }
  return bar.append(eighths.at(count % 8));
}

}  // namespace

BarStyle bar_style_of_standard_output() {
  return ::isatty(STDOUT_FILENO) == 0 ? BarStyle::none : bar_style_of_terminal();
}

BarStyle bar_style_of_terminal() {
  return has_utf8_locale() && variable("TERM") != "dumb" ? BarStyle::blocks : BarStyle::ascii;
}

void set_bar_style(std::ostream& out, BarStyle style) {
  out.iword(style_slot()) = static_cast<long>(style);
}

std::string bar_text(std::ostream& out, double share, int width) {
  const auto style = static_cast<BarStyle>(out.iword(style_slot()));
  const double shown = std::clamp(share, 0.0, 1.0);
  std::string bar;
  if (style == BarStyle::ascii) {
    bar.assign(static_cast<std::size_t>(std::lround(shown * width)), '#');
  } else if (style == BarStyle::blocks) {
    bar = blocks(shown, width);
  }
  return bar.empty() ? bar : "  " + bar;
}

}  // namespace forerun
