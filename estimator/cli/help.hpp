// Help and shell completion, made from the option table.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "estimator/cli/option_table.hpp"

namespace forerun {

/// Two commands that run as they stand.
[[nodiscard]] std::vector<std::string_view> examples_of(Verb verb);
/// Columns of help where no terminal says how many it has.
inline constexpr std::size_t usual_help_width = 100;

/// The verbs and what each answers, in lines of `width` columns.
[[nodiscard]] std::string overview_help(std::size_t width = usual_help_width);
/// The options of one verb, and its examples, which are never broken.
[[nodiscard]] std::string verb_help(Verb verb,
                                    std::span<const OptionRow> table,
                                    std::size_t width = usual_help_width);
/// The program, its version, revision and build; then compilers and libraries, one a line.
[[nodiscard]] std::string version_line();
/// A script for `source <(forerun completion bash)`.
[[nodiscard]] std::string bash_completion(std::span<const OptionRow> table);

}  // namespace forerun
