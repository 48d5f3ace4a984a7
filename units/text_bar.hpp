// Small bars beside shares in tables: where the reader's terminal can show them, and nowhere else.
#pragma once

#include <iosfwd>
#include <string>

namespace forerun {

enum class BarStyle {
  none,    ///< files and pipes
  ascii,   ///< "####"
  blocks,  ///< eighths of a character, in UTF-8
};

/// What standard output can show: bars on a terminal, of blocks where the locale's encoding is
/// UTF-8 and the terminal more than a dumb one. Bars have no colour, so NO_COLOR does not ask for
/// fewer.
[[nodiscard]] BarStyle bar_style_of_standard_output();

/// The same of a terminal, for those who know that there is one.
[[nodiscard]] BarStyle bar_style_of_terminal();

/// From now on bar_text(out, ...) makes bars of this style; a stream begins with none.
void set_bar_style(std::ostream& out, BarStyle style);

/// "  ####": a bar of `share` (of 1) of `width` characters; empty for a stream of style none and
/// for a share too small to be seen.
[[nodiscard]] std::string bar_text(std::ostream& out, double share, int width = 24);

}  // namespace forerun
