// From argv, and the job file that it names, to checked options.
#pragma once

#include <string>
#include <variant>

#include "estimator/cli/options.hpp"

namespace forerun {

/// The user asked for a text, not for an answer: help, version or completion.
struct HelpRequest {
  std::string text;
};

/// `argv[0]` is passed over. Throws InputError: "--precison: unknown option of 'estimate' (did you
/// mean --precision?)". Abbreviated options are unknown options. A flag beats the job file; what
/// the file says for other verbs is checked and passed over.
[[nodiscard]] std::variant<Options, HelpRequest> parse_command_line(int argc,
                                                                    const char* const* argv);

}  // namespace forerun
