// Any text is a cluster description, or wrong input; never anything else.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "topologies/read_cluster.hpp"
#include "units/input_error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  try {
    static_cast<void>(forerun::read_cluster_text(text, "cluster.toml"));
  } catch (const forerun::InputError&) {
  }
  return 0;
}
