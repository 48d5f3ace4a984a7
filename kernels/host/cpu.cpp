// The CPU as the operating system and oneDNN describe it.
#include "kernels/host/cpu.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <utility>
#include <vector>

#include <dnnl.hpp>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include "units/unit.hpp"

namespace forerun::host {
namespace {

// Cores in the affinity mask; the mask's size is doubled until the kernel accepts it.
int bound_cores() {
  for (std::size_t capacity = CPU_SETSIZE; capacity <= (1U << 20U); capacity *= 2) {
    const std::size_t bytes = CPU_ALLOC_SIZE(capacity);
    std::vector<cpu_set_t> mask(bytes / sizeof(cpu_set_t));
    if (sched_getaffinity(0, bytes, mask.data()) == 0) {
      return CPU_COUNT_S(bytes, mask.data());
    }
  }
  return 1;
}

}  // namespace

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "unknown CPU";
}

int threads_for(const DeviceChoice& choice) {
  const int bound = bound_cores();
  const auto all = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  if (bound < all || choice.local_ranks <= 1) {
    return std::max(bound, 1);
  }
  return std::max(all / choice.local_ranks, 1);
}

Bytes node_memory() {
  return static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE)) *
         unit::byte;
}

// The kernel first: C libraries before 2.37 count the caches of a whole AMD package as one.
Bytes last_level_cache() {
  for (const int index : {4, 3, 2}) {
    std::ifstream file(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", index));
    std::string text;  // "36608K"
    if (file >> text && text.ends_with('K')) {
      return std::stod(text) * unit::kibibyte;
    }
  }
  for (const int level : {_SC_LEVEL4_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL2_CACHE_SIZE}) {
    const long bytes = sysconf(level);
    if (bytes > 0) {
      return static_cast<double>(bytes) * unit::byte;
    }
  }
  return {};
}

std::optional<double> clock_hz() {
  std::ifstream governor(
      fmt::format("/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq", sched_getcpu()));
  double value = 0.0;
  if (governor >> value) {
    return 1e3 * value;  // in kHz
  }
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("cpu MHz") && colon != std::string::npos) {
      return 1e6 * std::strtod(line.c_str() + colon + 2, nullptr);
    }
  }
  return std::nullopt;
}

double bytes_per_cycle() {
  const double vector = onednn_isa().starts_with("avx512") ? 64.0 : 32.0;
  return 3.0 * vector;
}

double flop_per_cycle(DataType type) {
  const std::string isa = onednn_isa();
  const bool has_tiles = isa == "avx512_core_amx";
  if (type == DataType::bf16 && has_tiles) {
    return 2048.0;
  }
  const double vector = isa.starts_with("avx512") ? 64.0 : 32.0;
  const bool multiplies_bf16 = has_tiles || isa == "avx512_core_bf16";
  return type == DataType::bf16 && multiplies_bf16 ? 2.0 * vector : vector;
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->patch);
}

std::string onednn_isa() {
  // Best first: the levels are bit sets that include those below them.
  constexpr auto levels = std::to_array<std::pair<dnnl::cpu_isa, const char*>>({
      {dnnl::cpu_isa::avx512_core_amx, "avx512_core_amx"},
      {dnnl::cpu_isa::avx512_core_bf16, "avx512_core_bf16"},
      {dnnl::cpu_isa::avx512_core_vnni, "avx512_core_vnni"},
      {dnnl::cpu_isa::avx512_core, "avx512_core"},
      {dnnl::cpu_isa::avx2_vnni, "avx2_vnni"},
      {dnnl::cpu_isa::avx2, "avx2"},
      {dnnl::cpu_isa::avx, "avx"},
      {dnnl::cpu_isa::sse41, "sse41"},
  });
  const auto here = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  for (const auto& [level, name] : levels) {
    const auto needed = static_cast<unsigned>(level);
    if ((here & needed) == needed) {
      return name;
    }
  }
  return "sse2";
}

}  // namespace forerun::host
