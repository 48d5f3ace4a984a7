// Small bars beside shares in tables: where the reader's terminal can show them, and nowhere else.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>

namespace forerun {

enum class BarStyle {
  none,    ///< files, pipes, NO_COLOR
  ascii,   ///< "####"
  blocks,  ///< eighths of a character, in UTF-8
};

/// What standard output can show: by whether it is a terminal, NO_COLOR, and the locale's encoding.
[[nodiscard]] BarStyle bar_style_of_standard_output();

/// Columns of the terminal that standard output is; nothing where it is none or does not say.
[[nodiscard]] std::optional<std::size_t> columns_of_standard_output();

/// From now on bar_text(out, ...) makes bars of this style; a stream begins with none.
void set_bar_style(std::ostream& out, BarStyle style);

/// "  ####": a bar of `share` (of 1) of `width` characters; empty for a stream of style none and
/// for a share too small to be seen.
[[nodiscard]] std::string bar_text(std::ostream& out, double share, int width = 24);

}  // namespace forerun
