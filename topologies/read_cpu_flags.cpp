// Reads /proc/cpuinfo: the kernel lists a flag only if it also saves the registers behind it.
#include "topologies/read_cpu_flags.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>

namespace forerun {
namespace {

// The instruction sets that decide which CPU kernels run, by their Linux names.
constexpr auto decisive =
    std::to_array<std::string_view>({"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"});

}  // namespace

std::vector<std::string> cpu_flags_from(std::istream& cpuinfo) {
  std::string line;
  while (std::getline(cpuinfo, line)) {
    if (!line.starts_with("flags")) {
      continue;
    }
    std::istringstream words(line);
    const std::vector<std::string> all{std::istream_iterator<std::string>(words), {}};
    std::vector<std::string> flags;
    for (const std::string_view flag : decisive) {
      if (std::ranges::find(all, flag) != all.end()) {
        flags.emplace_back(flag);
      }
    }
    return flags;
  }
  return {};
}

std::vector<std::string> read_cpu_flags() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  return cpu_flags_from(cpuinfo);
}

}  // namespace forerun
