// Any text is a model description, or wrong input; never anything else.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "jobs/read_model.hpp"
#include "units/input_error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  try {
    static_cast<void>(forerun::read_model_text(text, "config.json"));
  } catch (const forerun::InputError&) {
  }
  return 0;
}
