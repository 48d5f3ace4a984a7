// Parses words as if they had been typed after "forerun".
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "estimator/cli/parse_command_line.hpp"
#include "units/input_error.hpp"

namespace forerun {

inline std::variant<Options, HelpRequest> parsed(const std::vector<std::string>& words) {
  std::vector<const char*> argv{"forerun"};
  for (const std::string& word : words) {
    argv.push_back(word.c_str());
  }
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

inline Options options_of(const std::vector<std::string>& words) {
  return std::get<Options>(parsed(words));
}

inline std::string shown(const std::vector<std::string>& words) {
  return std::get<HelpRequest>(parsed(words)).text;
}

/// The message of the InputError; "accepted" when there is none.
inline std::string complaint_about(const std::vector<std::string>& words) {
  try {
    static_cast<void>(parsed(words));
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace forerun
