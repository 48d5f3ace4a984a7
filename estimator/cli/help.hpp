// Help and shell completion, made from the option table.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "estimator/cli/option_table.hpp"

namespace forerun {

/// Two commands that run as they stand.
[[nodiscard]] std::vector<std::string_view> examples_of(Verb verb);
/// The verbs and what each answers.
[[nodiscard]] std::string overview_help();
/// The options of one verb, and an example.
[[nodiscard]] std::string verb_help(Verb verb, std::span<const OptionRow> table);
/// The program, its version, revision and build; then compilers and libraries, one a line.
[[nodiscard]] std::string version_line();
/// A script for `source <(forerun completion bash)`.
[[nodiscard]] std::string bash_completion(std::span<const OptionRow> table);

}  // namespace forerun
