// What reads as a kernel key has a text that reads back as the same key.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "kernels/kernel_key.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto key = forerun::kernel_key_from(text);
  if (key && forerun::kernel_key_from(forerun::text_of(*key)) != key) {
    std::abort();
  }
  return 0;
}
