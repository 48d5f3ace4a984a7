// Every reader of text that somebody else wrote, and what must hold for any text at all.
#pragma once

#include <span>
#include <string_view>

namespace forerun {

/// `take` ends the process where a law of the reader does not hold, and lets out whatever is no
/// InputError. `corpus` beside this file holds a folder of texts a reader.
struct Reader {
  std::string_view name;
  void (*take)(std::string_view text);
};

[[nodiscard]] std::span<const Reader> readers();

/// Stops the process where the text is not refused and `law` does not hold.
void require(bool law, std::string_view what);

}  // namespace forerun
