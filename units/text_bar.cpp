#include "units/text_bar.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <ostream>
#include <string_view>

#include <sys/ioctl.h>
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
  for (const char* const name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (const std::string_view locale = variable(name); !locale.empty()) {
      return locale.find("UTF-8") != std::string_view::npos ||
             locale.find("utf8") != std::string_view::npos;
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
  if (::isatty(STDOUT_FILENO) == 0 || !variable("NO_COLOR").empty() || variable("TERM") == "dumb") {
    return BarStyle::none;
  }
  return has_utf8_locale() ? BarStyle::blocks : BarStyle::ascii;
}

std::optional<std::size_t> columns_of_standard_output() {
  winsize size{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): the only way to ask
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return std::nullopt;
  }
  return size.ws_col;
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
