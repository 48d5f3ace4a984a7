// The instruction sets that the operating system lets programs use.
#pragma once

#include <istream>
#include <string>
#include <vector>

namespace forerun {

/// Of avx2, avx512f, avx512_vnni, avx512_bf16 and amx_bf16 those that a text in the form of
/// /proc/cpuinfo lists for its first processor.
[[nodiscard]] std::vector<std::string> cpu_flags_from(std::istream& cpuinfo);

/// The same of this machine; empty where there is no /proc.
[[nodiscard]] std::vector<std::string> read_cpu_flags();

}  // namespace forerun
