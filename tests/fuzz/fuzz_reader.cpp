// libFuzzer's entry for one reader.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/readers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const forerun::Reader reader =
      *std::ranges::find(forerun::readers(), FORERUN_READER, &forerun::Reader::name);
  reader.take({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
