// Manual pages and zsh's completion, from the same table as --help.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "estimator/cli/option_table.hpp"

namespace forerun {

/// A page for man: forerun(1), or forerun-VERB(1).
[[nodiscard]] std::string manual_page(std::optional<Verb> verb, std::span<const OptionRow> table);
/// A script for zsh's fpath, as _forerun.
[[nodiscard]] std::string zsh_completion(std::span<const OptionRow> table);

}  // namespace forerun
