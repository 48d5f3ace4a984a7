// Any text is a layout set of 64 devices, or wrong input; never anything else.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "jobs/parallel_layout.hpp"
#include "units/input_error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  try {
    for (const forerun::ParallelLayout& layout : forerun::parse_layouts(text, 64)) {
      if (forerun::world_size(layout) != 64) {
        std::abort();
      }
    }
  } catch (const forerun::InputError&) {
  }
  return 0;
}
