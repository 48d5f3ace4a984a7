// The sentence of the InputError that a call throws, for comparison as a whole.
#pragma once

#include <string>

#include "units/input_error.hpp"

namespace forerun {

/// "no error" if the call returns: no message reads so.
template <typename Call>
[[nodiscard]] std::string error_text(const Call& call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace forerun
