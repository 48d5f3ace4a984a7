// What is said of an option that nobody takes: which was meant, or whose it is.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "estimator/cli/option_table.hpp"
#include "units/input_error.hpp"

namespace forerun {

[[nodiscard]] std::vector<std::string> verb_names();

/// Why no command line begins with `word`, an option: it is of verbs, or there is none like it.
[[nodiscard]] InputError wrong_beginning(const std::string& word);

/// Why `given`, which `verb` does not take, is wrong.
[[nodiscard]] InputError unknown_option(const std::string& given,
                                        Verb verb,
                                        std::span<const OptionRow> table);

}  // namespace forerun
